"""Measurements: `python -m tests.bench --help`. Not collected by pytest, except for the tests of the workload itself."""
