"""A team's AIs, and what the call runs with while each of them has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.ai import Ai
from models.aicall import Aicall, AicallWrite, AssistanceType
from models.errors import NotFound
from models.team import Team, TeamWrite
from runtime.calls.roster import Roster, load_roster
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_ai
from tests.runtime.calls.troupes import RECEPTION, SALES, team_of
from tests.runtime.serving import serving


def team(first: Ai, second: Ai, **changes: Any) -> Team:
    body = TeamWrite.model_validate(team_of(str(first.id), str(second.id), **changes))
    return Team.create(body, id=uuid4(), customer_id=CUSTOMER, now=at())


def aicall_of(made: Team, first: Ai, **changes: Any) -> Aicall:
    body = AicallWrite(assistance_type=AssistanceType.TEAM, assistance_id=made.id, **changes)
    return Aicall.create(body, first, id=uuid4(), now=at(), team=made)


def roster(*missing: UUID, **changes: Any) -> tuple[Roster, Ai, Ai]:
    first = make_ai(parameter={"greeting": "First", "a": 1, "b": 1}, stt_language="en-US")
    second = make_ai(
        engine_model="anthropic.claude-x",
        tts_type="elevenlabs",
        stt_type="elevenlabs",
        parameter={"greeting": "Second", "a": 2, "llm_options": {"region": "x"}},
        vad_config={"stop_secs": 0.9},
    )
    made = team(first, second, **changes)
    return Roster(made, {it.id: it for it in (first, second) if it.id not in missing}), first, second


def test_the_start_member_runs_with_the_aicalls_own_copies() -> None:
    made, first, _ = roster()
    aicall = aicall_of(made.team, first)
    assert made.aicall_of(aicall, made.team.start_member) is aicall


def test_every_other_member_runs_with_its_own() -> None:
    made, first, second = roster(parameter={"c": 5})
    aicall = aicall_of(made.team, first, parameter={"b": 7, "d": 8})
    own = made.aicall_of(aicall, made.team.member(SALES))
    assert (own.id, own.ai_engine_model, own.ai_tts_type, own.ai_stt_type) == (
        aicall.id,
        "anthropic.claude-x",
        "elevenlabs",
        "elevenlabs",
    )
    assert own.ai_tts_voice_id == second.tts_voice_id
    assert own.ai_vad_config == second.effective_vad
    # It speaks what the call speaks, where it says nothing else.
    assert own.stt_language == "en-US"
    assert own.parameter == {"greeting": "Second", "a": 2, "llm_options": {"region": "x"}, "c": 5, "b": 7, "d": 8}
    assert own.providers == second.providers


def test_a_member_that_is_no_longer_there_is_the_start_member() -> None:
    made, _, _ = roster()
    assert made.member_id(SALES) == SALES
    assert made.member_id(uuid4()) == RECEPTION


def test_an_ai_that_was_deleted_is_not_there() -> None:
    whole, first, second = roster()
    made = Roster(whole.team, {first.id: first})
    assert [member.id for member in made.present()] == [RECEPTION]
    assert made.ai_of(RECEPTION) is first
    with pytest.raises(NotFound):
        made.ai_of(SALES)
    without_start = Roster(whole.team, {second.id: second})
    aicall = aicall_of(whole.team, first)
    own = without_start.aicall_of(aicall, whole.team.member(SALES))
    assert own.parameter == second.parameter


async def test_only_the_customers_own_ais_are_loaded(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        first, second = make_ai(), make_ai(customer_id=STRANGER)
        for ai in (first, second):
            await api.services.store.create_ai(ai)
        loaded = await load_roster(api.services, team(first, second))
        assert list(loaded.ais.values()) == [first]
