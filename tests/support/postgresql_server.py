"""A real PostgreSQL server for tests, from the system's package, and databases in it.

Fixtures, known to every test (`tests/conftest.py`):

- ``postgresql_url``: a database of the test's own, with the schema and without rows.
- ``postgresql_server``: the server that the tests of this worker share, for databases of another kind.
- ``own_postgresql_server``: one that the test may stop, hold and start again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import NullPool, create_engine

from adapters.store.migrate import upgrade_connection
from tests.support.servers import ServerProcess, find_program, free_port, missing

PASSWORD = "p@ss/w%rd"
"""Password of the role, with letters that a URL has to escape."""
ROLE = "aicall"
"""The role that owns every database."""

_TEMPLATE = "migrated"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "16MB",
    # What is committed outlives the server, and need not outlive the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


def _program(name: str) -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: float(it.parent.name), reverse=True)
    return find_program(name, [str(folder) for folder in installed])


class PostgresqlServer(ServerProcess):
    """A server with one role, `ROLE`, that signs in with `PASSWORD`."""

    def __init__(self) -> None:
        super().__init__("postgresql")
        self._made = 0
        self._has_template = False
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self.run(
            *(_program("initdb") or "initdb", "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"),
            *(f"--username={ROLE}", f"--pwfile={password}", self._data),
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it, on the port that it had before, if it had one."""
        attempts = 1 if self.port else 5
        for left in reversed(range(attempts)):
            port = self.port or free_port()
            settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
            try:
                self.launch(
                    self._ready, _program("postgres") or "postgres", "-D", self._data, f"--port={port}", *settings
                )
            except RuntimeError:
                # Somebody else may have taken the port meanwhile.
                if not left:
                    raise
            else:
                self.port = port
                return

    def _ready(self) -> bool:
        # https://www.postgresql.org/docs/15/storage-file-layout.html: the last line is the postmaster's status.
        file = self._data / "postmaster.pid"
        return file.exists() and file.read_text().rstrip().endswith("ready")

    def url(self, database: str, password: str = PASSWORD) -> str:
        """Return the URL of a database."""
        escaped = "".join(f"%{ord(letter):02X}" if not letter.isalnum() else letter for letter in password)
        return f"postgresql://{ROLE}:{escaped}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, *statements: sql.Composable | str) -> None:
        """Run statements, each for itself."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement if isinstance(statement, sql.Composable) else sql.SQL(statement))  # type: ignore[arg-type]

    def create_database(self, *, migrated: bool = True) -> str:
        """Make a database without rows.

        Args:
            migrated: Whether with the schema.

        Returns:
            Its URL.
        """
        if migrated and not self._has_template:
            self._create(_TEMPLATE, "template0")
            engine = create_engine(
                self.url(_TEMPLATE).replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool
            )
            with engine.begin() as connection:
                upgrade_connection(connection)
            self._has_template = True
        name = f"test_{secrets.token_hex(6)}"
        self._create(name, _TEMPLATE if migrated else "template0")
        return self.url(name)

    def _create(self, name: str, template: str) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self.execute("postgres", statement)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = sql.Identifier(url.rpartition("/")[2])
        self.execute("postgres", sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def _make() -> Iterator[PostgresqlServer]:
    if _program("initdb") is None or _program("postgres") is None:
        missing("postgresql")
    server = PostgresqlServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """The server that the tests of this worker share. None of them stops it."""
    yield from _make()


@pytest.fixture
def own_postgresql_server() -> Iterator[PostgresqlServer]:
    """A server of the test's own, to be stopped, held and started again."""
    yield from _make()


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """URL of a database with the schema and without rows."""
    url = postgresql_server.create_database()
    yield url
    postgresql_server.drop_database(url)
