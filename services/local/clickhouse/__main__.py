"""Start the local ClickHouse: `python -m services.local.clickhouse --data-dir D --port P`.

Exit codes: 0 after SIGTERM or Ctrl-C with everything written, 1 when it cannot start (the reason is on the standard error).
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import ipaddress
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from services.local.clickhouse.users import Users, UsersError, add_user, open_users, read_users

if TYPE_CHECKING:
    from services.local.clickhouse.engine import Engine
    from services.local.clickhouse.http import Application

CLOSE_S_MAX = 15.0


def main(argv: list[str] | None = None) -> int:
    arguments = _arguments(argv)
    try:
        if arguments.add_user:
            _add_user(arguments)
            return 0
        users = _users(arguments)
        listener = _listen(arguments.host, arguments.port)
        return _serve(arguments, users, listener)
    except (UsersError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.local.clickhouse", description="The ClickHouse engine behind ClickHouse's HTTP interface.")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the tables live; made when it is missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=18123, help="port to listen on (default: %(default)s)")
    parser.add_argument("--users", type=Path, help="users file; without it: `default`, and `analyst` who only reads, without password, on loopback only")
    parser.add_argument("--memory-mb", type=int, default=2048, help="most memory of the engine (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="most threads of a query (default: %(default)s)")
    parser.add_argument("--reads", type=int, default=8, help="most reads at one time (default: %(default)s)")
    parser.add_argument("--inserts", type=int, default=2, help="most inserts at one time (default: %(default)s)")
    parser.add_argument("--add-user", metavar="NAME", help="write a user to --users (the password is read from the standard input) and end")
    parser.add_argument("--readonly", type=int, choices=(0, 1, 2), default=0, help="with --add-user: 2 for a user who only reads (default: %(default)s)")
    return parser.parse_args(argv)


def _add_user(arguments: argparse.Namespace) -> None:
    if arguments.users is None:
        raise UsersError("Say which file with --users FILE.")
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    add_user(arguments.users, arguments.add_user, password, arguments.readonly)


def _users(arguments: argparse.Namespace) -> Users:
    if arguments.users:
        return read_users(arguments.users)
    if not _is_loopback(arguments.host):
        raise UsersError(f"{arguments.host} can be reached by others: make a users file with --users FILE --add-user NAME, then start with --users FILE.")
    return open_users()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    """Bound before the engine opens, so that a taken port is told at once. With its protocol named, or asyncio leaves out TCP_NODELAY: 40 ms a query."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"Port {port} on {host} cannot be used ({error.strerror}). Stop what listens there, or choose another --port.") from error
    return listener


def _serve(arguments: argparse.Namespace, users: Users, listener: socket.socket) -> int:
    import uvicorn

    from services.local.clickhouse.engine import Engine, EngineUnusable, Limits
    from services.local.clickhouse.http import Application

    memory = arguments.memory_mb << 20
    try:
        engine = Engine(arguments.data_dir, Limits(memory, memory // 2, arguments.threads))
    except EngineUnusable as error:
        print(error, file=sys.stderr)
        return 1
    application = Application(engine, users, reads_max=arguments.reads, writes_max=arguments.inserts)
    config = uvicorn.Config(
        application,
        http="httptools",
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )
    # uvicorn raises the signal that stopped it once more when it is done; without a handler that would end us before the engine is closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    uvicorn.Server(config).run(sockets=[listener])
    _close(lambda: _close_all(application, engine))
    return 0


def _close_all(application: Application, engine: Engine) -> None:
    asyncio.run(application.close())
    engine.close()


def _close(close: object) -> None:
    """Write out and close; a query that hangs must not hold the process for ever (what was acknowledged is on disk already)."""
    closing = threading.Thread(target=close, daemon=True)  # type: ignore[arg-type]
    closing.start()
    closing.join(CLOSE_S_MAX)


if __name__ == "__main__":
    sys.exit(main())
