"""Read every setting once, from the environment, and refuse to start with a list of all that is wrong.

One prefix, `QUARTERHOUR_`, and `__` between group and name: `QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS=broker:9092`.
This is the only module that reads `os.environ`; everything else is handed a `Settings`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

PREFIX = "QUARTERHOUR_"
SEPARATOR = "__"


class SettingsError(Exception):
    """The settings are unusable. `str()` lists every problem, one a line, with the way to mend it."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Group):
    bootstrap_servers: str = Field("127.0.0.1:19092", description="Kafka brokers, host:port, comma separated.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="How to speak to the brokers.")
    sasl_mechanism: str = Field("SCRAM-SHA-512", description="SASL mechanism, when the protocol is SASL_*.")
    sasl_username: str = Field("", description="SASL user.")
    sasl_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    ssl_ca_location: str = Field("", description="File with the CA certificates; empty: the system's.")
    raw_partitions: Annotated[int, Field(ge=1, le=1024)] = Field(4, description="Partitions of each raw topic that `topics create` makes.")
    batches_partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        8, description="P: partitions of metering.batches.v1 and of the state topic. Changing it needs a new generation."
    )
    facts_partitions: Annotated[int, Field(ge=1, le=1024)] = Field(4, description="Partitions of each aggregate topic.")
    replication_factor: Annotated[int, Field(ge=1, le=9)] = Field(1, description="Replicas of each topic that is created.")


class ClickHouseSettings(_Group):
    url: str = Field("http://127.0.0.1:18123", description="ClickHouse over HTTP(S).")
    user: str = Field("default", description="ClickHouse user.")
    password: SecretStr = Field(SecretStr(""), description="ClickHouse password.")
    database: str = Field("usage", description="Database of the facts.")


class PostgresSettings(_Group):
    dsn: SecretStr = Field(SecretStr("postgresql://postgres@127.0.0.1:15432/quarterhour"), description="PostgreSQL connection string.")


class RuleSettings(_Group):
    lateness_ms: Annotated[int, Field(ge=0)] = Field(24 * 3_600_000, description="T4: how much older than its log time an event may be.")
    out_of_orderness_ms: Annotated[int, Field(ge=0)] = Field(60_000, description="T2: how far the watermark stays behind the newest event.")


class IngestSettings(_Group):
    poll_ms: Annotated[int, Field(ge=10, le=5_000)] = Field(
        150, description="How long one poll gathers events: larger messages for the processors against latency."
    )
    poll_events_max: Annotated[int, Field(ge=1)] = Field(20_000, description="Most records of one poll.")
    poll_bytes_max: Annotated[int, Field(ge=1)] = Field(
        4 * 1024 * 1024, description="Most bytes of one poll: a message for the processors stays below what the broker takes."
    )
    in_flight_max: Annotated[int, Field(ge=1)] = Field(16, description="Most polls whose messages are not acknowledged yet; more, and ingest waits.")
    idle_after_s: Annotated[float, Field(gt=0)] = Field(30.0, description="T2: a partition read to its end for so long follows the ticks.")
    tick_s: Annotated[float, Field(gt=0)] = Field(1.0, description="How often every batches partition gets a message, events or not.")
    rejected_run_max: Annotated[int, Field(ge=0)] = Field(
        5_000, description="Most refused records in a row of a raw partition; more, and ingest stops. 0: off."
    )
    rejected_share_max: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Largest refused share of a raw partition's last records; more, and ingest stops. 1: off."
    )
    rejected_window: Annotated[int, Field(ge=1)] = Field(10_000, description="The share is that of the last so many records, up to twice as many.")
    group_id: str = Field("quarterhour-ingest", description="Consumer group.")
    instance: str = Field(
        "", description="Static membership id, one for each process of the group: a process that is started again goes on at once; empty: dynamic."
    )
    session_timeout_ms: Annotated[int, Field(ge=6_000)] = Field(10_000, description="Kafka session timeout.")


class ProcessorSettings(_Group):
    app_id: str = Field("quarterhour-processors", description="Faust application id: consumer group and prefix of the state topic.")
    generation: Annotated[int, Field(ge=1, le=32_767)] = Field(
        1,
        description="With a higher one ingest and processors meter the raw log anew: `quarterhour rebuild`.",
    )
    pages: Annotated[int, Field(ge=1, le=65_536)] = Field(
        1_024, description="S: pages of state over all partitions, each a record of at most 64 MiB (some 180,000 live conversations); fixed for good."
    )
    epoch_s: Annotated[float, Field(ge=0.1, le=60)] = Field(5.0, description="Longest age of an epoch: state is written and offsets move once an epoch.")
    epoch_messages_max: Annotated[int, Field(ge=1)] = Field(256, description="Most messages of one partition's epoch.")
    epoch_bytes_max: Annotated[int, Field(ge=1)] = Field(67_108_864, description="Most bytes of messages of one partition's epoch.")
    epoch_state_bytes: Annotated[int, Field(ge=1)] = Field(
        4_194_304, description="State that one epoch of a partition writes; with more, the changed pages take turns."
    )
    unacked_messages_max: Annotated[int, Field(ge=1)] = Field(
        1_024, description="Most messages of all partitions that are applied and not yet durable; past it, reading waits."
    )
    session_timeout_s: Annotated[float, Field(ge=6)] = Field(12.0, description="Kafka session timeout.")
    stall_s: Annotated[float, Field(ge=10)] = Field(
        120.0, description="A worker whose partitions hold messages and do not move for so long ends, to be started again."
    )
    instance: str = Field("", description="Static membership id; empty: dynamic.")


class SinkSettings(_Group):
    flush_ms: Annotated[int, Field(ge=10)] = Field(300, description="Longest age of rows before they are inserted.")
    flush_rows: Annotated[int, Field(ge=1)] = Field(50_000, description="Rows at which they are inserted whatever their age.")
    flush_bytes: Annotated[int, Field(ge=1)] = Field(64 * 1024 * 1024, description="Bytes of facts at which they are inserted whatever their age.")
    retry_s_max: Annotated[float, Field(gt=0)] = Field(15.0, description="Longest wait between two tries while ClickHouse does not take rows.")
    session_timeout_ms: Annotated[int, Field(ge=6_000)] = Field(10_000, description="Kafka session timeout.")
    group_id: str = Field("quarterhour-sink", description="Consumer group.")
    instance: str = Field(
        "", description="Static membership id, one for each process of the group: a process that is started again goes on at once; empty: dynamic."
    )


class QuerySettings(_Group):
    host: str = Field("127.0.0.1", description="Address that the query service listens on.")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(18080, description="Port of the query service.")
    read_s_max: Annotated[int, Field(ge=1, le=600)] = Field(30, description="Longest time of one statement, in seconds.")
    read_rows_max: Annotated[int, Field(ge=1)] = Field(500_000_000, description="Most rows that one statement may read.")
    export_s_max: Annotated[int, Field(ge=1, le=86_400)] = Field(1_800, description="Longest time of one CSV export, in seconds.")
    reach_kept_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        1_000,
        description="How long an answer may go by what was last known of the watermark and of the days that are counted, in milliseconds.",
    )
    stop_s: Annotated[int, Field(ge=1, le=600)] = Field(20, description="How long a stop waits for answers that are under way, in seconds.")
    clickhouse_user: str = Field("", description="ClickHouse user that questions are asked as, read-only (sql/analyst/access.sql); empty: as the sink.")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="Password of that user.")
    policy_setting: str = Field("", description="Custom setting that a row policy compares with the workspace (sql/analyst/access.sql); empty: none.")


class AccountsSettings(_Group):
    """What a key may use, by the kind of its workspace; a key may have limits of its own (`quarterhour keys create --help`)."""

    standard_requests_per_minute: Annotated[int, Field(ge=1)] = Field(600, description="Requests of a key of a standard workspace in a minute.")
    standard_read_s_per_minute: Annotated[int, Field(ge=1)] = Field(
        60, description="Seconds that ClickHouse may take in a minute for the questions of a key of a standard workspace; exports are bounded by their number."
    )
    standard_exports_at_once: Annotated[int, Field(ge=1)] = Field(2, description="Exports of a key of a standard workspace at one time.")
    enterprise_requests_per_minute: Annotated[int, Field(ge=1)] = Field(3_000, description="The same for an enterprise workspace.")
    enterprise_read_s_per_minute: Annotated[int, Field(ge=1)] = Field(300, description="The same for an enterprise workspace.")
    enterprise_exports_at_once: Annotated[int, Field(ge=1)] = Field(8, description="The same for an enterprise workspace.")


class ClientSettings(_Group):
    """For commands that ask a query service (`quarterhour export`)."""

    url: str = Field("", description="Address of the query service to ask; empty: that of QUARTERHOUR_QUERY__HOST and __PORT.")
    key: SecretStr = Field(SecretStr(""), description="API key to ask with.")


class MetricsSettings(_Group):
    host: str = Field("127.0.0.1", description="Address of /livez, /readyz and /metrics.")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(0, description="Port of /livez, /readyz and /metrics; 0: none.")


class Settings(_Group):
    """Everything that a service can be told, in groups. Frozen: a running service does not change its mind."""

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    postgres: PostgresSettings = PostgresSettings()
    rules: RuleSettings = RuleSettings()
    ingest: IngestSettings = IngestSettings()
    processors: ProcessorSettings = ProcessorSettings()
    sink: SinkSettings = SinkSettings()
    query: QuerySettings = QuerySettings()
    accounts: AccountsSettings = AccountsSettings()
    client: ClientSettings = ClientSettings()
    metrics: MetricsSettings = MetricsSettings()
    native: bool = Field(True, description="Work with the compiled twin of the hot path where it was built (`make native`); false: in Python alone.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="json for machines, text for people.")

    @property
    def ingest_group(self) -> str:
        """Consumer group of ingest: each generation reads the raw log from its beginning."""
        return self.ingest.group_id + self._of_generation()

    @property
    def processors_group(self) -> str:
        """Faust application id of the processors, so their consumer group and the prefix of their state topic: each generation has a state of its own."""
        return self.processors.app_id + self._of_generation()

    def _of_generation(self) -> str:
        generation = self.processors.generation
        return "" if generation == 1 else f"-g{generation}"


def read_settings(environ: Mapping[str, str] | None = None, *, beneath: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. `environ` defaults to the real one; `beneath` are variables that it overrides (those of a running local stack).

    Raises `SettingsError` with every unknown or wrong setting at once.
    """
    found: dict[str, object] = {}
    for name, text in {**(beneath or {}), **(os.environ if environ is None else environ)}.items():
        if not name.startswith(PREFIX):
            continue
        group, separator, field = name[len(PREFIX) :].lower().partition(SEPARATOR)
        if not separator:
            found[group] = text
        elif isinstance(inner := found.setdefault(group, {}), dict):
            inner[field] = text
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error))) from None


def setting_names() -> dict[str, str]:
    """Every setting's environment variable with its description, for the documentation and `--help`."""
    names: dict[str, str] = {}
    for group, info in Settings.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, _Group):
            for field, field_info in inner.model_fields.items():
                names[f"{PREFIX}{group.upper()}{SEPARATOR}{field.upper()}"] = field_info.description or ""
        else:
            names[f"{PREFIX}{group.upper()}"] = info.description or ""
    return names


def shown_values(settings: Settings) -> dict[str, str]:
    """Environment variable → effective value, secrets masked."""
    return _values(settings, lambda secret: "********" if secret.get_secret_value() else "")


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables that make another process read these settings (secrets included: for child processes only)."""
    return _values(settings, SecretStr.get_secret_value)


def environment_for_children(settings: Settings) -> dict[str, str]:
    """The whole environment for a child process: this one's, with our settings replaced by `settings`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, **environment_of(settings)}


def child_environment(settings: Settings) -> dict[str, str]:
    """The whole environment of a child process that reads these settings."""
    return {**os.environ, **environment_of(settings)}


def _values(settings: Settings, secret: Callable[[SecretStr], str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for group, value in settings:
        if isinstance(value, _Group):
            for field, inner in value:
                values[f"{PREFIX}{group.upper()}{SEPARATOR}{field.upper()}"] = secret(inner) if isinstance(inner, SecretStr) else str(inner)
        else:
            values[f"{PREFIX}{group.upper()}"] = str(value)
    return values


def _explain(error: ValidationError) -> list[str]:
    lines = ["The settings cannot be used:"]
    for problem in error.errors():
        name = PREFIX + SEPARATOR.join(str(part).upper() for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {name}: no such setting. `quarterhour settings` lists them.")
        else:
            lines.append(f"  {name}: {problem['msg']} (got {problem['input']!r}).")
    return lines
