from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite, AssistanceType, EndReason, ReferenceType
from models.errors import IllegalTransition
from models.ids import NIL_ID
from models.status import TRANSITIONS, AicallStatus
from models.timestamps import NOT_YET
from models.vad import EffectiveVad
from tests.models.seeds import AICALL_001, ai_body
from tests.models.seeds import NIL_ID as SEED_NIL_ID

NOW = datetime(2024, 3, 1, 10, tzinfo=UTC)


def an_ai(**fields: Any) -> Ai:
    return Ai.create(AiWrite.model_validate(ai_body(**fields)), id=uuid4(), customer_id=uuid4(), now=NOW)


def an_aicall(ai: Ai | None = None, **fields: Any) -> Aicall:
    ai = ai or an_ai()
    body = AicallWrite.model_validate({"assistance_id": str(ai.id), **fields})
    return Aicall.create(body, ai, id=uuid4(), now=NOW)


def refused(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AicallWrite.model_validate({"assistance_id": str(uuid4()), **fields})
    [error] = caught.value.errors()
    return str(error.get("ctx", {}).get("field") or ".".join(map(str, error["loc"])))


def test_the_seeds_example_survives_to_the_letter() -> None:
    public = Aicall.model_validate(AICALL_001).public()
    assert public.pop("end_reason") == ""
    assert public == AICALL_001


def test_enumerations() -> None:
    assert [*AssistanceType] == ["ai", "team"]
    assert [*ReferenceType] == ["call", "conversation", "task"]


def test_what_a_body_may_leave_out() -> None:
    aicall = an_aicall()
    assert aicall.assistance_type is AssistanceType.AI
    assert aicall.reference_type is ReferenceType.CALL
    assert {aicall.reference_id, aicall.activeflow_id, aicall.confbridge_id, aicall.current_member_id} == {NIL_ID}
    assert aicall.status is AicallStatus.INITIATING
    assert (aicall.tm_create, aicall.tm_update, aicall.tm_end, aicall.tm_delete) == (NOW, NOT_YET, NOT_YET, NOT_YET)
    assert aicall.end_reason is EndReason.NONE
    public = aicall.public()
    assert public.keys() == AICALL_001.keys() | {"end_reason"}
    assert public["activeflow_id"] == SEED_NIL_ID


@pytest.mark.parametrize("field", ["reference_id", "activeflow_id", "confbridge_id"])
@pytest.mark.parametrize("value", [None, "", SEED_NIL_ID])
def test_references_to_nothing(field: str, value: str | None) -> None:
    assert getattr(an_aicall(None, **{field: value}), field) == NIL_ID


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"assistance_id": "x"}, "assistance_id"),
        ({"assistance_id": None}, "assistance_id"),
        ({"assistance_type": "robot"}, "assistance_type"),
        ({"reference_type": "fax"}, "reference_type"),
        ({"reference_id": "x"}, "reference_id"),
        ({"parameter": {"idle_limit": 101}}, "parameter.idle_limit"),
        ({"parameter": {"stt_key": "k"}}, "parameter.stt_key"),
        ({"parameter": {"fallback": {}}}, "parameter.fallback"),
        ({"parameter": {"tts_key": "k"}}, "parameter.tts_key"),
        ({"stt_language": "?"}, "stt_language"),
        ({"status": "progressing"}, "status"),
        ({"engine_key": "k"}, "engine_key"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    assert refused(**fields) == field


def test_an_assistance_is_required() -> None:
    with pytest.raises(ValidationError) as caught:
        AicallWrite.model_validate({})
    assert [error["loc"] for error in caught.value.errors()] == [("assistance_id",)]


def test_a_refused_body_does_not_show_a_key() -> None:
    with pytest.raises(ValidationError) as caught:
        AicallWrite.model_validate({"assistance_id": str(uuid4()), "parameter": {"tts_key": "tts-secret"}})
    assert "tts-secret" not in str(caught.value)


def test_an_aicall_copies_what_it_runs_with() -> None:
    ai = an_ai(
        engine_model="openrouter.meta-llama/llama-3-70b",
        tts_type="openai",
        stt_type="cartesia",
        stt_language="ko-KR",
        vad_config={"stop_secs": 1.5, "confidence": 0},
        smart_turn_enabled=True,
        engine_key="sk-secret",
        parameter={"tts_key": "tts-secret", "greeting": "Hi", "own": 1},
    )
    aicall = an_aicall(ai, parameter={"own": 2, "theirs": 3}, reference_id=str(uuid4()))
    assert aicall.customer_id == ai.customer_id
    assert aicall.assistance_id == ai.id
    assert aicall.ai_engine_model == "openrouter.meta-llama/llama-3-70b"
    assert (aicall.ai_tts_type, aicall.ai_tts_voice_id, aicall.ai_stt_type) == ("openai", "alloy", "cartesia")
    assert aicall.ai_vad_config == EffectiveVad(confidence=0, stop_secs=0.2)
    assert aicall.ai_smart_turn_enabled
    assert aicall.stt_language == "ko-KR"
    assert aicall.parameter == {"greeting": "Hi", "own": 2, "theirs": 3}
    assert aicall.options.greeting == "Hi"
    assert ai.parameter == {"greeting": "Hi", "own": 1}
    assert "secret" not in repr(aicall) + repr(aicall.public()) + aicall.model_dump_json()


def test_the_aicalls_language_goes_before_the_ais() -> None:
    assert an_aicall(an_ai(stt_language="de-DE"), stt_language="en-GB").stt_language == "en-GB"
    assert an_aicall(an_ai(stt_language="de-DE"), stt_language="").stt_language == "de-DE"


def test_a_call_through_every_status() -> None:
    aicall, moment = an_aicall(), NOW
    for target in (*list(AicallStatus)[1:4], AicallStatus.PROGRESSING, *list(AicallStatus)[4:]):
        moment += timedelta(seconds=1)
        before, aicall = aicall, aicall.moved(target, now=moment)
        assert (aicall.status, aicall.tm_update) == (target, moment)
        assert before.status is not target
        assert (aicall.tm_end == moment) is (target is AicallStatus.TERMINATED)
    assert aicall.tm_end == moment
    assert aicall.tm_delete == NOT_YET
    assert Aicall.model_validate(aicall.public()) == aicall


def test_the_first_reason_counts() -> None:
    ending = an_aicall().moved(AicallStatus.TERMINATING, now=NOW, end_reason=EndReason.HANGUP)
    ended = ending.moved(AicallStatus.TERMINATED, now=NOW, end_reason=EndReason.INTERNAL_ERROR)
    assert ended.end_reason is EndReason.HANGUP


def test_which_ends_are_normal() -> None:
    abnormal = {reason for reason in EndReason if not reason.normal}
    failures = {EndReason.MEDIA_ERROR, EndReason.PROVIDER_ERROR, EndReason.INTERNAL_ERROR, EndReason.WORKER_LOST}
    assert abnormal == failures | {EndReason.NONE, EndReason.EXPIRED, EndReason.NO_PROGRESS}


@given(st.lists(st.sampled_from(AicallStatus), max_size=12))
def test_only_the_tables_moves_are_made(targets: list[AicallStatus]) -> None:
    aicall = an_aicall()
    for target in targets:
        source = aicall
        if target in TRANSITIONS[aicall.status]:
            aicall = aicall.moved(target, now=NOW)
            assert aicall.status is target
        else:
            with pytest.raises(IllegalTransition):
                aicall.moved(target, now=NOW)
            assert aicall == source
    assert (aicall.tm_end != NOT_YET) == (aicall.status is AicallStatus.TERMINATED)


def test_an_aicall_is_not_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        an_aicall().status = AicallStatus.TERMINATED  # type: ignore[misc]


def test_ids_are_uuids() -> None:
    assert isinstance(Aicall.model_validate(AICALL_001).current_member_id, UUID)
