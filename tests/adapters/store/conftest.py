"""Fixtures of the store's tests.

The fixture ``store`` is an open, empty store. A test or suite that asks for it runs once on every database: SQLite in
memory, SQLite in a file, PostgreSQL (a real server, see `tests/support/postgresql_server.py`). A topic's test module
needs one line for each suite and no fixture of its own::

    from tests.adapters.store.teams.contract import TeamsContract

    class TestTeams(TeamsContract): ...

``database_url`` alone names such a database for tests that open it themselves, once or several times (a reopened one
has kept everything, but for ``:memory:``); ``shared_database_url`` leaves memory out, for tests with two stores on one
database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.store.base import Store
from adapters.store.factory import create_store
from adapters.store.sqlite import MEMORY
from tests.adapters.store.samples import KEY

pytest.register_assert_rewrite("tests.adapters.store.contract")
for topic in ("assistants", "customers", "deliveries", "knowledge", "life", "teams", "texts"):
    pytest.register_assert_rewrite(f"tests.adapters.store.{topic}.contract")


def _url(name: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if name == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    return MEMORY if name == "memory" else str(folder / "aicall.db")


@pytest.fixture(params=["memory", "file", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return _url(request.param, tmp_path, request)


@pytest.fixture(params=["file", "postgresql"])
def shared_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that several stores can open."""
    return _url(request.param, tmp_path, request)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open, empty store on each kind of database."""
    store = create_store(database_url, secret_key=KEY)
    await store.open()
    yield store
    await store.close()
