"""A change of keys: nothing that is sealed in a full database is left under the old one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Column, Connection, Table, Uuid, insert, select
from sqlalchemy.types import Boolean, DateTime, Float, Integer, LargeBinary, String

from adapters.store.all_tables import metadata
from adapters.store.factory import create_store
from adapters.store.reseal import reseal, sealed_columns
from adapters.store.secrets import SecretBox
from adapters.store.sqlalchemy_store import SqlAlchemyStore
from adapters.store.tables import SEALED, store_values
from models.errors import AicallError, InvalidField
from tests.adapters.store.samples import CUSTOMER, KEY, OTHER_KEY, at, make_ai

OLD, NEW = SecretBox(KEY), SecretBox(OTHER_KEY)


def sample(column: Column[Any], number: int) -> Any:
    """Something that a column takes."""
    kind = getattr(column.type, "impl", column.type)
    for type_, value in (
        (Uuid, uuid4()),
        (DateTime, at()),
        (LargeBinary, b"x"),
        (Boolean, False),
        (Integer, number),
        (Float, 1.0),
        (String, f"x{number}"),
    ):
        if isinstance(kind, type_):
            return value
    return {}


def fill(connection: Connection, table: Table, sealed: list[str], number: int) -> None:
    """Put a row into a table, and into those that it points to, with tokens of the old key."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.name in sealed:
            row[column.name] = OLD.seal(f"{table.name}.{column.name}.{number}")
        elif column.foreign_keys:
            target = next(iter(column.foreign_keys)).column
            fill(connection, target.table, [], number + 1000)
            row[column.name] = connection.execute(select(target).limit(1)).scalar_one()
        else:
            row[column.name] = sample(column, number)
    connection.execute(insert(table), row)


def tokens(connection: Connection) -> dict[str, list[str]]:
    return {
        f"{column.table.name}.{column.name}": [it for it in connection.execute(select(column)).scalars() if it]
        for column in sealed_columns()
    }


async def test_every_sealed_column_is_sealed_anew(shared_database_url: str) -> None:
    store = create_store(shared_database_url, secret_key=KEY)
    assert isinstance(store, SqlAlchemyStore)
    await store.open()
    columns = list(sealed_columns())
    assert len(columns) >= 1

    def fill_all(connection: Connection) -> None:
        for number in range(3):
            for table in {column.table for column in columns}:
                fill(connection, table, [it.name for it in columns if it.table is table], number)

    await store._database.write(fill_all)
    await store.close()

    changing = create_store(shared_database_url, secret_key=f"{OTHER_KEY},{KEY}")
    await changing.open()
    await changing.close()

    # The old key opens nothing any more, the new one alone everything.
    renewed = create_store(shared_database_url, secret_key=OTHER_KEY)
    assert isinstance(renewed, SqlAlchemyStore)
    await renewed.open()
    found = await renewed._database.read(tokens)
    assert found.keys() == {f"{column.table.name}.{column.name}" for column in columns}
    for name, sealed in found.items():
        assert sorted(NEW.unseal(it) for it in sealed) == [f"{name}.{number}" for number in range(3)]
    await renewed.close()
    with pytest.raises(InvalidField):
        await create_store(shared_database_url, secret_key=KEY).open()


async def test_what_is_sealed_already_or_empty_is_left_alone(shared_database_url: str) -> None:
    store = create_store(shared_database_url, secret_key=KEY)
    assert isinstance(store, SqlAlchemyStore)
    await store.open()
    ai = make_ai()
    await store.create_ai(ai)
    both = SecretBox(f"{OTHER_KEY},{KEY}")
    assert await store._database.write(lambda connection: reseal(connection, both)) == 1
    assert await store._database.write(lambda connection: reseal(connection, both)) == 0
    assert await store._database.write(lambda connection: reseal(connection, NEW)) == 0
    with pytest.raises(AicallError):
        await store.get_ai(ai.id, customer_id=CUSTOMER)
    await store.close()


def test_what_sounds_like_a_secret_is_sealed_or_a_hash() -> None:
    """A column that holds a secret in plain text would be one whose name says so and that is not sealed."""
    telling = ("secret", "password", "credential", "token", "api_key", "private")
    plain = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if any(word in column.name for word in telling)
        and column.info != SEALED
        and not column.name.endswith(("_sha256", "_id"))
        and isinstance(getattr(column.type, "impl", column.type), String)
    ]
    assert plain == []
    assert store_values.c.value.info != SEALED
