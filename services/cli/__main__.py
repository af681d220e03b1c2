"""`python -m services.cli` is `quarterhour`."""

from services.cli import main

main()
