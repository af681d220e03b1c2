"""The pages of the API, by subject. A handler reads parameters into the words of the inside, asks, and gives the answer; it decides nothing about numbers."""
