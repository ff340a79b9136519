"""Schema changes: there and back, in step with the tables, and safe when many start at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, inspect, make_url

from adapters.store.all_tables import metadata
from adapters.store.factory import create_store
from adapters.store.migrate import _config, downgrade_connection, schema_revision, upgrade_connection
from adapters.store.postgresql import postgresql_engine
from adapters.store.sqlite import sqlite_engine
from models.errors import InvalidField
from tests.adapters.store.samples import KEY, make_ai
from tests.support.postgresql_server import PostgresqlServer

# Every revision, up and down, on both systems: a matter of seconds, and of minutes on a machine that is busy.
pytestmark = pytest.mark.timeout(300)


class Bench:
    """Empty databases of one kind."""

    def __init__(self, folder: Path, server: PostgresqlServer | None) -> None:
        self.folder = folder
        self.server = server
        self.urls: list[str] = []

    def url(self) -> str:
        # A percent sign in the path must not confuse Alembic's configuration.
        new = str(self.folder / f"{len(self.urls)} 100%.db")
        if self.server is not None:
            new = self.server.create_database(migrated=False)
        self.urls.append(new)
        return new

    def engine(self, url: str | None = None) -> Engine:
        url = url or self.url()
        if self.server is None:
            return sqlite_engine(url)
        return postgresql_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    bench = Bench(tmp_path, server)
    yield bench
    if server is not None:
        for url in bench.urls:
            server.drop_database(url)


def details(engine: Engine) -> dict[str, Any]:
    """Everything that an engine tells of a schema, without Alembic's own table and without comments."""

    def unordered(items: Any) -> list[str]:
        return sorted(map(repr, items))

    with engine.connect() as connection:
        inspector = inspect(connection)
        return {
            name: (
                unordered(
                    {**column, "type": str(column["type"]), "comment": None} for column in inspector.get_columns(name)
                ),
                inspector.get_pk_constraint(name),
                unordered(inspector.get_foreign_keys(name)),
                unordered(inspector.get_unique_constraints(name)),
                unordered(
                    # The condition of a partial index is an object of its own each time.
                    {**index, "dialect_options": {key: str(it) for key, it in index.get("dialect_options", {}).items()}}
                    for index in inspector.get_indexes(name)
                ),
            )
            for name in inspector.get_table_names()
            if name not in {"alembic_version", "sqlite_sequence"}
        }


def revisions() -> list[str]:
    """All of them, the oldest first."""
    with sqlite_engine(":memory:").connect() as connection:
        scripts = ScriptDirectory.from_config(_config(connection))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def test_up_down_and_up_again(bench: Bench) -> None:
    engine = bench.engine()
    with engine.begin() as connection:
        assert schema_revision(connection) == ""
        upgrade_connection(connection)
        assert schema_revision(connection) == revisions()[-1]
    first = details(engine)
    # Virtual tables and their shadows are no part of the metadata.
    assert set(metadata.tables) <= set(first)
    with engine.begin() as connection:
        downgrade_connection(connection)
        assert schema_revision(connection) == ""
    assert details(engine) == {}
    with engine.begin() as connection:
        upgrade_connection(connection)
        upgrade_connection(connection)
    assert details(engine) == first


def test_every_step_can_be_taken_back(bench: Bench) -> None:
    engine = bench.engine()
    before = [details(engine)]
    for revision in revisions():
        with engine.begin() as connection:
            upgrade_connection(connection, revision)
        after = details(engine)
        with engine.begin() as connection:
            downgrade_connection(connection, "-1")
        assert details(engine) == before[-1], f"{revision} does not take back what it did"
        with engine.begin() as connection:
            upgrade_connection(connection, revision)
        assert details(engine) == after
        before.append(after)
    for earlier in reversed(before[:-1]):
        with engine.begin() as connection:
            downgrade_connection(connection, "-1")
        assert details(engine) == earlier


def test_migrations_make_the_tables_as_they_are_declared(bench: Bench) -> None:
    def differences(connection: Connection) -> list[object]:
        def ours(item: object, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
            return not (type_ == "table" and reflected and name not in metadata.tables)

        found = compare_metadata(MigrationContext.configure(connection, opts={"include_object": ours}), metadata)
        # A changed column comes as a list. SQLite keeps no comments, and they are for people.
        flat = (part for item in found for part in (item if isinstance(item, list) else [item]))
        return [part for part in flat if part[0] != "modify_comment"]

    engine = bench.engine()
    with engine.begin() as connection:
        assert differences(connection)
        upgrade_connection(connection)
        assert differences(connection) == []
    declared = bench.engine()
    metadata.create_all(declared)
    made = details(engine)
    assert {name: made[name] for name in metadata.tables} == details(declared)


def test_a_change_that_fails_leaves_the_schema_as_it_was(bench: Bench) -> None:
    engine = bench.engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE messages (in_the_way INTEGER)")
    before = details(engine)
    with pytest.raises(Exception, match="messages"), engine.begin() as connection:
        upgrade_connection(connection)
    assert details(engine) == before


async def test_opening_a_store_of_a_newer_version_is_refused(bench: Bench) -> None:
    url = bench.url()
    store = create_store(url, secret_key=KEY)
    await store.open()
    assert await store.schema_revision() == revisions()[-1]
    await store.close()
    engine = bench.engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(InvalidField) as caught:
        await store.open()
    assert caught.value.field == "database"


async def test_an_older_schema_is_brought_up_to_date(bench: Bench) -> None:
    url = bench.url()
    with bench.engine(url).begin() as connection:
        upgrade_connection(connection)
        downgrade_connection(connection)
    store = create_store(url, secret_key=KEY)
    await store.open()
    await store.create_ai(make_ai())
    await store.close()


async def test_many_databases_are_made_at_once(tmp_path: Path) -> None:
    stores = [create_store(str(tmp_path / f"{number}.db"), secret_key=KEY) for number in range(12)]
    stores += [create_store(":memory:", secret_key=KEY) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.create_ai(make_ai()) for store in stores))
    await asyncio.gather(*(store.close() for store in stores))
