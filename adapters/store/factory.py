"""Which store a database URL means."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.store.base import Store
from adapters.store.database import Database
from adapters.store.secrets import SecretBox
from adapters.store.sqlalchemy_store import SqlAlchemyStore
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.errors import InvalidField

_SQLITE_DRIVERS = frozenset({"sqlite", "sqlite+aiosqlite"})
_POSTGRESQL_DRIVERS = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_POSTGRESQL_OPTIONS = frozenset(
    {
        *("channel_binding", "gssencmode", "host", "passfile", "port", "sslcert", "sslcrl", "sslkey", "sslmode"),
        *("sslnegotiation", "sslrootcert", "target_session_attrs"),
    }
)
"""What a URL may say beside host, user, password and database; see libpq's parameters.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""

# One letter before the colon is a drive, not a scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def create_store(database_url: str, *, secret_key: str) -> Store:
    """Make a store; `Store.open` connects it.

    Args:
        database_url: A file path, ``sqlite:///PATH``, ``sqlite+aiosqlite:///PATH`` or ``:memory:``; or
            ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE`` (also ``postgres://``), with libpq's options about TLS
            and several hosts behind a question mark.
        secret_key: One or more Fernet keys, the newest first (see `SecretBox`).

    Raises:
        InvalidField: ``database`` is none of these, or ``secret_key`` is no key.
    """
    return SqlAlchemyStore(create_database(database_url), SecretBox(secret_key))


def create_database(database_url: str) -> Database:
    """Make the database that a URL or path names; `Database.open` connects it.

    Raises:
        InvalidField: ``database`` names none, or one whose driver is not installed.
    """
    url = _parsed(database_url)
    if url is None or url.drivername in _SQLITE_DRIVERS:
        return SqliteDatabase(sqlite_path(database_url))
    if url.drivername not in _POSTGRESQL_DRIVERS:
        raise InvalidField("database", "must be a file path, a sqlite:/// or a postgresql:// URL")
    if not url.database:
        raise InvalidField("database", "must end with the name of the database, as in postgresql://host/name")
    if not _POSTGRESQL_OPTIONS.issuperset(url.query):
        # Not quoted: libpq takes a password there as well.
        raise InvalidField("database", f"has an option that is none of {', '.join(sorted(_POSTGRESQL_OPTIONS))}")
    try:
        from adapters.store.postgresql import PostgresqlDatabase  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        raise InvalidField("database", "needs the extra postgresql: pip install 'aicall-runtime[postgresql]'") from None
    return PostgresqlDatabase(url.set(drivername="postgresql+psycopg"))


def sqlite_path(database_url: str) -> str:
    """Return the file that a database URL or path names, or `MEMORY`.

    Raises:
        InvalidField: ``database`` names no SQLite database.
    """
    url = _parsed(database_url)
    if url is None:
        return MEMORY if database_url == MEMORY else str(Path(database_url).expanduser())
    if url.drivername not in _SQLITE_DRIVERS:
        raise InvalidField("database", "must be a file path or a sqlite:/// URL")
    if url.query or url.host or (url.database or "").startswith("file:"):
        raise InvalidField("database", "must be a plain sqlite:/// URL without host or options")
    return url.database or MEMORY


def _parsed(database_url: str) -> URL | None:
    """Return a URL's parts; None for a path or `MEMORY`."""
    if database_url == MEMORY:
        return None
    if not _URL.match(database_url):
        if not database_url.strip():
            raise InvalidField("database", "must not be empty")
        return None
    try:
        return make_url(database_url)
    except (ArgumentError, ValueError):
        # The cause is cut off: it quotes the URL, and that may hold a password.
        raise InvalidField("database", "is not a database URL") from None
