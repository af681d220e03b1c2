"""The rules by example: named timelines (`examples.py`) that run against the reference model, the core, and the whole pipeline."""
