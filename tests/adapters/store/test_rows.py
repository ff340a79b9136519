"""Rows: whatever a model can hold comes back from a real table as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Connection, RowMapping, StaticPool, Table, create_engine, insert, select

from adapters.store.base import GrantKind, MediaGrant
from adapters.store.rows import (
    ai_from_row,
    ai_to_row,
    aicall_from_row,
    aicall_to_row,
    event_from_row,
    grant_from_row,
    grant_to_row,
    message_from_row,
    message_to_row,
)
from adapters.store.secrets import SecretBox
from adapters.store.tables import aicalls, ais, events, media_grants, messages, metadata
from models.ai import Ai, AiSecrets
from models.aicall import Aicall, AssistanceType, EndReason, ReferenceType
from models.errors import AicallError
from models.event import Event
from models.message import Direction, Message, Role, ToolCall, ToolCallFunction
from models.providers import SttType, TtsType
from models.status import AicallStatus
from models.vad import EffectiveVad, VadConfig
from tests.adapters.store.samples import KEY, OTHER_KEY, at, make_ai, make_aicall

BOX = SecretBox(KEY)
WORD = (
    st.text(max_size=40)
    .filter(lambda text: "\0" not in text)
    .map(lambda text: text.encode("utf-8", "replace").decode())
)
# A day from either end, so that no zone leads out of what a moment can be.
MOMENT = st.timedeltas(timedelta(days=1), timedelta(days=3_652_057)).map(
    lambda since: datetime(1, 1, 1, tzinfo=UTC) + since
)
LEAF = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORD
)
JSON = st.recursive(LEAF, lambda it: st.lists(it, max_size=3) | st.dictionaries(WORD, it, max_size=3), max_leaves=8)
DOCUMENT = st.dictionaries(st.text("abcxyz", min_size=4, max_size=9), JSON, max_size=4)
SHARE = st.none() | st.floats(0, 1)
SECONDS = st.none() | st.floats(0, 30)
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

AIS = st.builds(
    Ai,
    id=st.uuids(),
    customer_id=st.uuids(),
    name=WORD.filter(bool),
    detail=WORD,
    engine_model=st.sampled_from(["openai.gpt-4o", "aws.a.b/c:d.e", "script.receptionist"]),
    parameter=DOCUMENT,
    rag_id=st.uuids(),
    init_prompt=WORD,
    tts_type=st.sampled_from(TtsType),
    tts_voice_id=WORD,
    stt_type=st.sampled_from(SttType),
    stt_language=st.sampled_from(["", "en-US", "de"]),
    vad_config=st.none()
    | st.builds(VadConfig, confidence=SHARE, start_secs=SECONDS, stop_secs=SECONDS, min_volume=SHARE),
    smart_turn_enabled=st.booleans(),
    tool_names=st.none()
    | st.just(["all"])
    | st.lists(st.sampled_from(["stop_service", "stop_media", "set_variables"]), unique=True),
    secrets=st.builds(AiSecrets, engine_key=WORD.map(SecretStr), stt_key=WORD.map(SecretStr)),
    tm_create=MOMENT,
    tm_update=MOMENT,
    tm_delete=MOMENT,
)
AICALLS = st.builds(
    Aicall,
    id=st.uuids(),
    customer_id=st.uuids(),
    assistance_type=st.sampled_from(AssistanceType),
    assistance_id=st.uuids(),
    ai_engine_model=WORD,
    ai_tts_type=st.sampled_from(TtsType),
    ai_tts_voice_id=WORD,
    ai_stt_type=st.sampled_from(SttType),
    ai_vad_config=st.none()
    | st.builds(
        EffectiveVad,
        confidence=st.floats(0, 1),
        start_secs=st.floats(0, 30),
        stop_secs=st.floats(0, 30),
        min_volume=st.floats(0, 1),
    ),
    ai_smart_turn_enabled=st.booleans(),
    parameter=DOCUMENT,
    activeflow_id=st.uuids(),
    reference_type=st.sampled_from(ReferenceType),
    reference_id=st.uuids(),
    confbridge_id=st.uuids(),
    current_member_id=st.uuids(),
    status=st.sampled_from(AicallStatus),
    stt_language=st.sampled_from(["", "en-US"]),
    end_reason=st.sampled_from(EndReason),
    tm_end=MOMENT,
    tm_create=MOMENT,
    tm_update=MOMENT,
    tm_delete=MOMENT,
)
TOOL_CALLS = st.builds(ToolCall, id=WORD, function=st.builds(ToolCallFunction, name=WORD, arguments=WORD))
MESSAGES = st.builds(
    Message,
    id=st.uuids(),
    customer_id=st.uuids(),
    aicall_id=st.uuids(),
    role=st.sampled_from(Role),
    content=WORD,
    direction=st.sampled_from(Direction),
    interrupted=st.booleans(),
    tool_calls=st.lists(TOOL_CALLS, max_size=3),
    tool_call_id=WORD,
    tm_create=MOMENT,
    tm_delete=MOMENT,
)
GRANTS = st.builds(
    MediaGrant,
    kind=st.sampled_from(GrantKind),
    resource_id=st.uuids(),
    token_sha256=st.binary(min_size=32, max_size=32),
    tm_expire=MOMENT,
    audiosocket_sha256=st.none() | st.binary(min_size=32, max_size=32),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """The tables as they are declared, without the constraints between them."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def through(connection: Connection, table: Table, row: dict[str, Any]) -> RowMapping:
    """Insert a row, and return what is then read."""
    with connection.begin() as transaction:
        connection.execute(insert(table), row)
        read = connection.execute(select(table)).mappings().one()
        transaction.rollback()
    return read


@QUICK
@given(AIS)
def test_an_ai_comes_back(connection: Connection, ai: Ai) -> None:
    back = ai_from_row(through(connection, ais, ai_to_row(ai, BOX)), BOX)
    assert back == ai
    assert back.secrets == ai.secrets


@QUICK
@given(AICALLS, WORD, st.integers(0, 2**31 - 1))
def test_an_aicall_comes_back_without_what_is_the_stores(
    connection: Connection, aicall: Aicall, owner: str, last_sequence: int
) -> None:
    row = aicall_to_row(aicall)
    of_the_store = {"owner", "last_sequence", "tm_lease", "tm_media", "held"}
    assert not of_the_store & row.keys()
    assert row.keys() | of_the_store == set(aicalls.c.keys())
    assert (
        aicall_from_row(through(connection, aicalls, row | {"owner": owner, "last_sequence": last_sequence})) == aicall
    )


@QUICK
@given(MESSAGES, st.integers(1, 2**31 - 1))
def test_a_message_comes_back(connection: Connection, message: Message, sequence: int) -> None:
    read = through(connection, messages, message_to_row(message, sequence))
    assert message_from_row(read) == message
    assert read["sequence"] == sequence


@QUICK
@given(GRANTS)
def test_a_media_token_comes_back(connection: Connection, grant: MediaGrant) -> None:
    back = grant_from_row(through(connection, media_grants, grant_to_row(grant)))
    assert back == grant
    assert isinstance(back.kind, GrantKind)


@QUICK
@given(st.integers(1, 2**62), st.integers(1, 2**31 - 1), DOCUMENT, MOMENT)
def test_an_event_is_read_with_its_id_as_text(
    connection: Connection, key: int, sequence: int, data: dict[str, Any], moment: datetime
) -> None:
    row = {"id": key, "aicall_id": uuid4(), "sequence": sequence, "type": "t", "tm_create": moment, "data": data}
    read = through(connection, events, row | {"customer_id": uuid4()})
    shown = {name: value for name, value in read.items() if name != "customer_id"}
    assert event_from_row(shown) == Event(**(row | {"id": str(key)}))  # type: ignore[arg-type]


@given(AIS)
@settings(max_examples=30)
def test_no_key_stands_in_a_row(ai: Ai) -> None:
    sealed = ai.model_copy(update={"secrets": AiSecrets(engine_key=SecretStr("sk-PLAINTEXT"))})
    assert "PLAINTEXT" not in str(ai_to_row(sealed, BOX))


def test_another_key_opens_no_row(connection: Connection) -> None:
    read = through(connection, ais, ai_to_row(make_ai(), BOX))
    with pytest.raises(AicallError):
        ai_from_row(read, SecretBox(OTHER_KEY))


def test_nothing_is_null_in_the_database_too(connection: Connection) -> None:
    """A JSON column has two ways to hold nothing; queries look for one of them."""
    ai = make_ai(vad_config=None, tool_names=None)
    with connection.begin() as transaction:
        connection.execute(insert(ais), ai_to_row(ai, BOX))
        counted = connection.exec_driver_sql(
            "SELECT count(*) FROM ais WHERE vad_config IS NULL AND tool_names IS NULL"
        ).scalar()
        transaction.rollback()
    assert counted == 1


@pytest.mark.parametrize("hours", [-11, 0, 5.5])
def test_a_moment_of_any_zone_is_kept_in_utc(connection: Connection, hours: float) -> None:
    moment = at(1.25).astimezone(timezone(timedelta(hours=hours)))
    aicall = make_aicall().model_copy(update={"tm_end": moment})
    with connection.begin() as transaction:
        connection.execute(insert(aicalls), aicall_to_row(aicall) | {"owner": "", "last_sequence": 0})
        kept = connection.exec_driver_sql("SELECT tm_end FROM aicalls").scalar()
        transaction.rollback()
    assert kept == "2026-03-01 12:00:01.250000"
    assert (
        aicall_from_row(through(connection, aicalls, aicall_to_row(aicall) | {"owner": "", "last_sequence": 0}))
        == aicall
    )
