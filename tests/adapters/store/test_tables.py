"""The tables: what the database itself refuses, and types that mean the same on every system."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from adapters.store.all_tables import metadata
from adapters.store.migrate import upgrade_connection
from adapters.store.rows import ai_to_row, aicall_to_row, grant_to_row, message_to_row
from adapters.store.secrets import SecretBox
from adapters.store.sqlite import sqlite_engine
from adapters.store.tables import UtcDateTime, aicalls, ais, events, media_grants, messages, store_values
from models.ai import Ai
from models.aicall import Aicall
from models.message import Message
from tests.adapters.store.samples import KEY, at, make_ai, make_aicall, make_grant, make_message

BOX = SecretBox(KEY)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A database as the migrations make it."""
    engine = sqlite_engine(str(tmp_path / "a.db"))
    with engine.begin() as connection:
        upgrade_connection(connection)
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.fixture
def aicall(connection: Connection) -> Aicall:
    aicall = make_aicall()
    connection.execute(insert(aicalls), aicall_row(aicall))
    return aicall


def aicall_row(aicall: Aicall) -> dict[str, Any]:
    return aicall_to_row(aicall) | {"owner": "", "last_sequence": 0}


def event_row(aicall: Aicall, sequence: int) -> dict[str, Any]:
    return {
        "aicall_id": aicall.id,
        "customer_id": aicall.customer_id,
        "sequence": sequence,
        "type": "t",
        "tm_create": at(),
        "data": {},
    }


def refused(connection: Connection, table: Table, row: dict[str, Any]) -> str:
    """What the database says to a row that it must not take."""
    with pytest.raises(IntegrityError) as caught, connection.begin_nested():
        connection.execute(insert(table), row)
    return str(caught.value.orig)


def test_an_id_is_taken_once(connection: Connection, aicall: Aicall) -> None:
    ai, message, grant = make_ai(), make_message(aicall), make_grant(uuid4(), at())
    rows: list[tuple[Table, dict[str, Any]]] = [
        (ais, ai_to_row(ai, BOX)),
        (messages, message_to_row(message, 1)),
        (media_grants, grant_to_row(grant)),
        (store_values, {"name": "x", "value": "y"}),
    ]
    for table, row in rows:
        connection.execute(insert(table), row)
        assert "UNIQUE" in refused(connection, table, row)
    assert "UNIQUE" in refused(connection, aicalls, aicall_row(aicall))


def test_a_sequence_is_taken_once_per_aicall(connection: Connection, aicall: Aicall) -> None:
    other = make_aicall()
    connection.execute(insert(aicalls), aicall_row(other))
    for each in (aicall, other):
        connection.execute(insert(events), event_row(each, 1))
    assert "events.aicall_id, events.sequence" in refused(connection, events, event_row(aicall, 1))
    connection.execute(insert(events), event_row(aicall, 2))


def test_nothing_belongs_to_an_aicall_that_is_not_there(connection: Connection) -> None:
    stranger = make_aicall()
    assert "FOREIGN KEY" in refused(connection, events, event_row(stranger, 1))
    assert "FOREIGN KEY" in refused(connection, messages, message_to_row(make_message(stranger), 1))


OPTIONAL = {
    "ais": {"vad_config", "tool_names"},
    "aicalls": {"ai_vad_config", "tm_lease", "tm_media"},
    "messages": {"in_reply_to_message_id"},
    "media_grants": {"audiosocket_sha256"},
    "events": {"key"},
    "rag_passages": {"vector"},
    "ai_assistants": {"description", "created_by", "updated_by", "deleted_at"},
}
"""Columns in which there may be nothing, by table."""
NUMBERED = {"events": "id", "rag_passages": "id", "aicall_requests": "id", "text_queue": "number"}
NUMBERED |= {"ai_assistants": "id", "ai_assistant_references": "id"}
"""Columns that the database counts up by itself, by table."""
SAMPLES: dict[type, Any] = {
    bool: True,
    int: 1,
    float: 0.5,
    str: "x",
    bytes: b"x",
    UUID: uuid4(),
    object: {},
}


def sample(column: Column[Any]) -> Any:
    return at() if isinstance(column.type, UtcDateTime) else SAMPLES[column.type.python_type]


@pytest.mark.parametrize("table", metadata.tables.values(), ids=lambda table: table.name)
def test_only_what_may_be_missing_may_be_missing(connection: Connection, table: Table) -> None:
    optional = OPTIONAL.get(table.name, set())
    assert {column.name for column in table.c if column.nullable} == optional
    counted = NUMBERED.get(table.name)
    row = {column.name: sample(column) for column in table.c if column.name != counted}
    for column in row.keys() - optional:
        assert f"NOT NULL constraint failed: {table.name}.{column}" in refused(connection, table, row | {column: None})
    # Looked at last by the database, and then only what the row belongs to is missing.
    nothing_more = row | dict.fromkeys(optional)
    if table.foreign_keys:
        assert "FOREIGN KEY" in refused(connection, table, nothing_more)
    else:
        connection.execute(insert(table), nothing_more)


def test_an_event_id_is_never_used_twice(connection: Connection, aicall: Aicall) -> None:
    """A reader that has seen the newest event must not miss one that takes its place."""
    for sequence in (1, 2):
        connection.execute(insert(events), event_row(aicall, sequence))
    connection.execute(events.delete().where(events.c.sequence == 2))
    connection.execute(insert(events), event_row(aicall, 3))
    assert list(connection.execute(select(events.c.id).order_by(events.c.id)).scalars()) == [1, 3]


@pytest.mark.parametrize(
    ("model", "table", "own"),
    [
        (Ai, ais, set[str]()),
        (Aicall, aicalls, {"owner", "last_sequence", "tm_lease", "tm_media", "held"}),
        (Message, messages, {"sequence"}),
    ],
)
def test_a_table_has_a_column_for_each_field(model: Any, table: Table, own: set[str]) -> None:
    assert set(table.c.keys()) == set(model.model_fields) | own


@pytest.mark.parametrize("table", metadata.tables.values(), ids=lambda table: table.name)
def test_a_table_can_be_made_on_both_systems(table: Table) -> None:
    on_sqlite = str(CreateTable(table).compile(dialect=sqlite.dialect()))
    on_postgresql = str(CreateTable(table).compile(dialect=postgresql.dialect()))
    assert "AUTOINCREMENT" in on_sqlite or table is not events
    assert ("SERIAL" in on_postgresql) is (table.name in NUMBERED)
    # A zone that is kept, and documents that can be searched.
    assert on_postgresql.count("WITH TIME ZONE") == sum(isinstance(it.type, UtcDateTime) for it in table.columns)
    assert on_postgresql.count("JSONB") == on_sqlite.count("JSON")


@given(st.timedeltas(timedelta(days=1), timedelta(days=3_652_057)), st.integers(-720, 840))
def test_moments_sort_as_their_texts_do(since: timedelta, zone_min: int) -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()
    moment = (datetime(1, 1, 1, tzinfo=UTC) + since).astimezone(timezone(timedelta(minutes=zone_min)))
    process = kind.bind_processor(dialect)
    assert process is not None
    assert process(moment) < process(moment + timedelta(microseconds=1))
    read = kind.process_result_value(kind.process_bind_param(moment, dialect), dialect)
    assert read == moment
    # What SQLite gives back has lost its zone.
    assert kind.process_result_value(moment.astimezone(UTC).replace(tzinfo=None), dialect) == moment


def test_no_moment_stays_none() -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()
    assert kind.process_result_value(None, dialect) is None
    assert kind.process_bind_param(None, dialect) is None
