"""Kafka, ClickHouse and PostgreSQL for tests: found, started or containers, behind three fixtures (`tests/conftest.py`)."""
