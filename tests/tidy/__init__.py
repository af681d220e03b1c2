"""The house rules, held by tests: what the tools judge, and what only we ask for."""
