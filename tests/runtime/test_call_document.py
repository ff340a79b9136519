"""The document of ``aicall worker``: what it takes, and what it says of what it does not."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidField
from models.ids import DEFAULT_CUSTOMER_ID
from runtime.call_document import CallDocument
from tests.runtime.serving import CANARY, an_ai

AI_ID = "11111111-1111-4111-8111-111111111111"
AICALL_ID = "22222222-2222-4222-8222-222222222222"
CUSTOMER_ID = "33333333-3333-4333-8333-333333333333"
OTHER_AI_ID = "44444444-4444-4444-8444-444444444444"
TEAM_ID = "55555555-5555-4555-8555-555555555555"
MEMBERS = ("66666666-6666-4666-8666-666666666666", "77777777-7777-4777-8777-777777777777")


def document(ai: dict[str, Any] | None = None, **aicall: Any) -> str:
    ai = an_ai(parameter={"greeting": "Hello."}) if ai is None else ai
    return json.dumps({"aicall": aicall, "ai": ai})


TWO_AIS = [an_ai(id=AI_ID, parameter={"greeting": "Alone."}), an_ai(id=OTHER_AI_ID)]


def team_document(ais: Any = TWO_AIS, **aicall: Any) -> str:
    to_second = {"function_name": "to_second", "next_member_id": MEMBERS[1]}
    team = {
        "id": TEAM_ID,
        "name": "two",
        "start_member_id": MEMBERS[0],
        "parameter": {"greeting": "The team."},
        "members": [
            {"id": MEMBERS[0], "name": "first", "ai_id": AI_ID, "transitions": [to_second]},
            {"id": MEMBERS[1], "name": "second", "ai_id": OTHER_AI_ID},
        ],
    }
    return json.dumps({"aicall": aicall, "team": team, "ais": ais})


def test_a_team_brings_its_ais() -> None:
    call = CallDocument.parse(team_document())
    assert (call.assistance_id, call.ai_id) == (UUID(TEAM_ID), UUID(AI_ID))
    assert list(call.ais) == [UUID(AI_ID), UUID(OTHER_AI_ID)]
    assert call.aicall.assistance_type == "team"


def test_ids_are_taken_from_the_document() -> None:
    ai = an_ai(id=AI_ID, customer_id=DEFAULT_CUSTOMER_ID.hex, tm_create="2024-03-01T10:00:00.000000Z")
    call = CallDocument.parse(document(ai, id=AICALL_ID, customer_id=CUSTOMER_ID))
    assert (call.ai_id, call.aicall_id, call.customer_id) == (UUID(AI_ID), UUID(AICALL_ID), UUID(CUSTOMER_ID))
    assert call.aicall.assistance_id == UUID(AI_ID)


def test_the_ais_customer_serves_where_the_aicall_names_none() -> None:
    call = CallDocument.parse(document(an_ai(customer_id=CUSTOMER_ID)))
    assert call.customer_id == UUID(CUSTOMER_ID)


@pytest.mark.parametrize("rest", [{}, {"aicall": None}, {"aicall": {}, "team": None}])
def test_ids_are_made_where_the_document_has_none(rest: dict[str, Any]) -> None:
    text = json.dumps({"ai": an_ai(), **rest})
    first, second = CallDocument.parse(text), CallDocument.parse(text)
    assert len({first.ai_id, second.ai_id, first.aicall_id, second.aicall_id}) == 4
    assert first.customer_id == DEFAULT_CUSTOMER_ID
    assert first.aicall.assistance_id == first.ai_id


def test_a_whole_aicall_as_the_api_writes_it_is_taken() -> None:
    whole = {
        "id": AICALL_ID,
        "assistance_type": "ai",
        "assistance_id": CUSTOMER_ID,
        "ai_engine_model": "openai.gpt-4o",
        "ai_vad_config": None,
        "status": "terminated",
        "end_reason": "hangup",
        "parameter": {"greeting": "Hi."},
        "stt_language": "en-US",
        "reference_type": "call",
        "reference_id": AI_ID,
        "tm_create": "2024-03-01T10:00:00.000000Z",
        "media_url": "ws://example.com/ws/a/b",
    }
    call = CallDocument.parse(document(an_ai(id=AI_ID), **whole))
    assert call.aicall.assistance_id == UUID(AI_ID)
    assert call.aicall.parameter == {"greeting": "Hi."}
    assert call.aicall.stt_language == "en-US"
    assert call.aicall.reference_id == UUID(AI_ID)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "call"),
        ("{", "call"),
        ('{"ai": {"parameter": {"x": NaN}}}', "call"),
        ('{"ai": {"parameter": {"x": 1e999}}}', "call"),
        ("[" * 100_000, "call"),
        ("[]", "call"),
        ("null", "call"),
        ("{}", "ai"),
        ('{"aicall": {}, "ai": null}', "ai"),
        ('{"aicall": {}, "ai": []}', "ai"),
        (json.dumps({"ai": an_ai(), "aicall": "x"}), "aicall"),
        (json.dumps({"ai": an_ai(), "aicall": False}), "aicall"),
        ('{"aicall": {}, "team": {}}', "team.name"),
        ('{"aicall": {}, "team": 5}', "team"),
        (team_document(ais=None), "ais"),
        (team_document(ais=[5]), "ais[0]"),
        (team_document(ais=[an_ai()]), "ais[0].id"),
        (team_document(ais=[an_ai(id=AI_ID), an_ai(id=AI_ID)]), "ais[1].id"),
        (team_document(ais=[an_ai(id=AI_ID)]), "team.members[1].ai_id"),
        (team_document(ais=[an_ai(id=AI_ID, name="")]), "ais[0].name"),
        (json.dumps({**json.loads(team_document()), "ai": an_ai()}), "ai"),
        (document(reference_type="task"), "aicall.reference_type"),
        (document({**an_ai(), "name": ""}), "ai.name"),
        (document({key: value for key, value in an_ai().items() if key != "engine_model"}), "ai.engine_model"),
        (document(an_ai(nmae="x")), "ai.nmae"),
        (document(an_ai(id="7")), "ai.id"),
        (document(an_ai(vad_config={"stop_secs": 31})), "ai.vad_config.stop_secs"),
        (document(an_ai(tts_type="elevenlabs", tts_voice_id="", parameter={"tts_key": 1})), "ai.parameter.tts_key"),
        (document(id="7"), "aicall.id"),
        (document(stt_language="?"), "aicall.stt_language"),
        (document(parameter={"stt_key": CANARY}), "aicall.parameter.stt_key"),
        (document(parametr={}), "aicall.parametr"),
        (document(reference_type="fax"), "aicall.reference_type"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        CallDocument.parse(text)
    assert caught.value.field == field
    assert caught.value.message
    assert "_" not in caught.value.message.split()[0]  # no name of ours
    assert CANARY not in caught.value.message


def test_a_refused_document_keeps_its_secrets() -> None:
    broken = an_ai(engine_key=CANARY, parameter={"stt_key": CANARY, "greeting": 5})
    with pytest.raises(InvalidField) as caught:
        CallDocument.parse(document(broken))
    assert caught.value.field == "ai.parameter.greeting"
    assert CANARY not in repr(caught.value) + str(caught.value.__cause__) + caught.value.message
    assert CANARY not in repr(CallDocument.parse(document(an_ai(engine_key=CANARY))))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
PART = JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "name", "parameter", "customer_id"), JSON))


@given(st.text() | st.fixed_dictionaries({}, optional={"ai": PART, "aicall": PART, "team": JSON}).map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refused_field(text).split(".")[0] in {"", "call", "ai", "aicall", "team", "ais"}


def refused_field(text: str) -> str:
    try:
        CallDocument.parse(text)
    except InvalidField as error:
        return error.field
    return ""
