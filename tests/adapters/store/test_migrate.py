"""Schema changes: there and back, in step with the tables, and safe when many start at once."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect

from adapters.store.factory import create_store
from adapters.store.migrate import downgrade_connection, upgrade_connection
from adapters.store.sqlite import sqlite_engine
from adapters.store.all_tables import metadata
from models.errors import InvalidField
from tests.adapters.store.samples import KEY, make_ai


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    # A percent sign in the path must not confuse Alembic's configuration.
    return sqlite_engine(str(tmp_path / "100%.db"))


def table_names(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def schema(engine: Engine) -> list[str]:
    query = "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(query).scalars())


def test_up_down_and_up_again(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade_connection(connection)
    assert table_names(engine) == {*metadata.tables, "alembic_version"}
    first = schema(engine)
    with engine.begin() as connection:
        downgrade_connection(connection)
    assert table_names(engine) <= {"alembic_version", "sqlite_sequence"}
    with engine.begin() as connection:
        upgrade_connection(connection)
        upgrade_connection(connection)
    assert schema(engine) == first


def test_migrations_make_the_tables_as_they_are_declared(engine: Engine, tmp_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    with engine.begin() as connection:
        assert differences(connection)
        upgrade_connection(connection)
        assert differences(connection) == []
    declared = sqlite_engine(str(tmp_path / "declared.db"))
    metadata.create_all(declared)

    def details(engine: Engine) -> dict[str, object]:
        with engine.connect() as connection:
            inspector = inspect(connection)
            return {
                name: (
                    [{**column, "type": str(column["type"])} for column in inspector.get_columns(name)],
                    inspector.get_pk_constraint(name),
                    inspector.get_foreign_keys(name),
                    inspector.get_unique_constraints(name),
                    inspector.get_indexes(name),
                )
                for name in metadata.tables
            }

    assert details(engine) == details(declared)


def test_a_change_that_fails_leaves_the_schema_as_it_was(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE messages (in_the_way INTEGER)")
    before = schema(engine)
    with pytest.raises(Exception, match="messages"), engine.begin() as connection:
        upgrade_connection(connection)
    assert schema(engine) == before


def test_a_newer_schema_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade_connection(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(InvalidField) as caught, engine.begin() as connection:
        upgrade_connection(connection)
    assert caught.value.field == "database"


async def test_many_databases_are_made_at_once(tmp_path: Path) -> None:
    stores = [create_store(str(tmp_path / f"{number}.db"), secret_key=KEY) for number in range(12)]
    stores += [create_store(":memory:", secret_key=KEY) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.create_ai(make_ai()) for store in stores))
    await asyncio.gather(*(store.close() for store in stores))


async def test_opening_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    store = create_store(path, secret_key=KEY)
    await store.open()
    await store.close()
    with sqlite_engine(path).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(InvalidField):
        await store.open()


async def test_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with sqlite_engine(path).begin() as connection:
        upgrade_connection(connection)
        downgrade_connection(connection)
    store = create_store(path, secret_key=KEY)
    await store.open()
    await store.create_ai(make_ai())
    await store.close()
