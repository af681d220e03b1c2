"""ClickHouse on one machine, without Docker: the chdb engine behind ClickHouse's HTTP interface.

Rule: a client that speaks to a ClickHouse server over HTTP must not notice the difference, or must be told in ClickHouse's own words.
Limits: one process and one data folder; no native protocol, no sessions (a `session_id` is accepted and forgets everything), no external
tables, no ClickHouse-native compression (`compress=1`, `decompress=1`); formats that are one document (JSON, Parquet) are built in memory.
"""
