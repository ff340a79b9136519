"""Schema changes: Alembic (https://alembic.sqlalchemy.org), run by the store itself when it is opened."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from models.errors import InvalidField

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "head"
BASE = "base"

_VERSIONS = table("alembic_version", column("version_num"))

# Alembic hands the running migration to its scripts through module globals. Never taken in an event loop's thread: a
# coroutine that waited for another one's migration there would wait for ever.
_ONE_AT_A_TIME = threading.Lock()


def upgrade_connection(connection: Connection, revision: str = HEAD) -> None:
    """Bring the schema up to a revision, inside the connection's transaction.

    Args:
        connection: In a transaction that writes; the caller commits.
        revision: Where to stop.

    Raises:
        InvalidField: The database is of a newer version of this runtime.
    """
    # Here and below: Alembic takes 10 MB, and is only needed while a store is opened.
    from alembic import command  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    with _ONE_AT_A_TIME:
        try:
            command.upgrade(_config(connection), revision)
        except CommandError as error:
            raise InvalidField("database", "has a schema that this version does not know") from error


def downgrade_connection(connection: Connection, revision: str = BASE) -> None:
    """Take the schema back to a revision, inside the connection's transaction. Data of dropped tables is lost.

    Args:
        connection: In a transaction that writes; the caller commits.
        revision: Where to stop.
    """
    from alembic import command  # noqa: PLC0415

    with _ONE_AT_A_TIME:
        command.downgrade(_config(connection), revision)


def schema_revision(connection: Connection) -> str:
    """Return the revision that the schema is at; '' for a database without our tables."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return ""
    return connection.execute(select(_VERSIONS.c.version_num)).scalar() or ""


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # Percent signs mean interpolation to Alembic's configuration parser.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
