"""sql/analyst/access.sql: users, rights and row policies of a ClickHouse server. Run on a server that has users; read on every one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from services.accounts.keys import Principal
from services.query.reader import ClickHouseReaders
from services.query.statement import Statement
from services.query.wall import APP_FILTERS
from services.runtime.migrations import read_migrations, split_statements
from services.runtime.settings import QuerySettings, Settings
from tests.analyst.conftest import ACME, OTHER, Facts
from tests.query.stage import ClickHouse
from tests.tidy.tree import ROOT

TEXT = (ROOT / "sql" / "analyst" / "access.sql").read_text()
STATEMENTS = split_statements(TEXT)
PASSWORD = "of a test"


def test_every_statement_is_one_that_clickhouse_understands(analysed: tuple[ClickHouse, Facts]) -> None:
    server, _ = analysed
    for statement in STATEMENTS:
        assert server.run("SELECT formatQuery({text:String})", param_text=statement.replace("\\", "\\\\").replace("\n", "\\n"))


@pytest.mark.parametrize("policy", ["quarterhour_one_workspace", "quarterhour_others"])
def test_every_table_with_tenants_has_a_policy_for_the_query_service_and_one_for_the_others(policy: str) -> None:
    assert set(re.findall(rf"ROW POLICY OR REPLACE {policy} ON (\w+) ", TEXT)) == set(APP_FILTERS)


def test_the_query_service_may_read_what_has_a_policy_and_the_ledger() -> None:
    assert set(re.findall(r"GRANT SELECT ON (\w+) TO quarterhour_query", TEXT)) == {*APP_FILTERS, "ledger"}


def test_analysts_may_read_every_view_and_the_tables_under_them() -> None:
    sql = "\n".join(migration.sql for migration in read_migrations("clickhouse"))
    views, tables = set(re.findall(r"VIEW IF NOT EXISTS (v_\w+)", sql)), set(re.findall(r"^FROM (\w+) FINAL", sql, re.MULTILINE))
    assert set(re.findall(r"GRANT SELECT ON (\w+) TO quarterhour_analyst", TEXT)) == views | tables


@pytest.fixture
def readers(analysed: tuple[ClickHouse, Facts], monkeypatch: pytest.MonkeyPatch) -> Iterator[ClickHouseReaders]:
    """As the user of access.sql, with the row policy alone: the filters of the service are taken away."""
    server, _ = analysed
    try:
        server.run("CREATE USER OR REPLACE quarterhour_probe")
    except AssertionError as error:
        pytest.skip(f"this server has no users: {str(error)[:120]}")
    for statement in [*STATEMENTS, f"ALTER USER quarterhour_query IDENTIFIED WITH sha256_password BY '{PASSWORD}' HOST ANY"]:
        server.run(statement)
    monkeypatch.setattr("services.query.reader.wall_settings", lambda *_: {"readonly": 1})
    asked = {"clickhouse_user": "quarterhour_query", "clickhouse_password": PASSWORD, "policy_setting": "SQL_quarterhour_workspace"}
    readers = ClickHouseReaders(Settings(clickhouse=server.settings, query=QuerySettings.model_validate(asked)))
    yield readers
    readers.close()
    server.run("DROP USER quarterhour_probe")


def test_the_row_policy_alone_shows_one_workspace(readers: ClickHouseReaders) -> None:
    for workspace in (ACME, OTHER):
        reader = readers.of(Principal(workspace, "0" * 12, frozenset()))
        assert reader.rows(Statement("SELECT DISTINCT workspace_id FROM billing_sessions FINAL", {})) == [(workspace,)]
        with pytest.raises(ClickHouseError):
            reader.rows(Statement("INSERT INTO billing_sessions SELECT * FROM billing_sessions", {}))
