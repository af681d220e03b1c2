"""The judge: a slow, obvious second reading of SPEC, from its text alone. It imports nothing of `services`."""
