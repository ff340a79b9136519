"""Which store a database URL means."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adapters.store.base import Store
from adapters.store.secrets import SecretBox
from adapters.store.sqlalchemy_store import SqlAlchemyStore
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.errors import InvalidField

_SQLITE_DRIVERS = frozenset({"sqlite", "sqlite+aiosqlite"})

# One letter before the colon is a drive, not a scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def create_store(database_url: str, *, secret_key: str) -> Store:
    """Make a store; `Store.open` connects it.

    Args:
        database_url: A file path, ``sqlite:///PATH``, ``sqlite+aiosqlite:///PATH`` or ``:memory:``.
        secret_key: One or more Fernet keys, the newest first (see `SecretBox`).

    Raises:
        InvalidField: ``database`` is none of these, or ``secret_key`` is no key.
    """
    return SqlAlchemyStore(SqliteDatabase(sqlite_path(database_url)), SecretBox(secret_key))


def sqlite_path(database_url: str) -> str:
    """Return the file that a database URL or path names, or `MEMORY`.

    Raises:
        InvalidField: ``database`` names no SQLite database.
    """
    if database_url == MEMORY:
        return MEMORY
    if not _URL.match(database_url):
        if not database_url.strip():
            raise InvalidField("database", "must not be empty")
        return str(Path(database_url).expanduser())
    try:
        url = make_url(database_url)
    except ArgumentError:
        # The cause is cut off: it quotes the URL, and that may hold a password.
        raise InvalidField("database", "is not a database URL") from None
    if url.drivername not in _SQLITE_DRIVERS:
        raise InvalidField("database", "must be a file path or a sqlite:/// URL")
    if url.query or url.host or (url.database or "").startswith("file:"):
        raise InvalidField("database", "must be a plain sqlite:/// URL without host or options")
    return url.database or MEMORY
