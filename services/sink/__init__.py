"""The sink: facts from the aggregate topics into ClickHouse's tables, each revision of each fact at least once; FINAL makes it once."""
