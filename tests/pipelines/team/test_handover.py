"""A call that goes from member to member, on virtual time: scripts as models, the embedded recogniser and voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.errors import ErrorCategory

from adapters.llm.script import ScriptLLMService, parse_script
from adapters.stt.pocketsphinx import PocketsphinxSTTService
from models.message import ToolCall
from models.options import CallOptions
from models.team import Transition
from models.vad import EffectiveVad
from pipelines.conversation.types import ConversationSettings, VoiceServices
from pipelines.failover.failures import Seat
from pipelines.speech.phrase_recorder import SpareVoice
from pipelines.team.handover import Handover
from pipelines.team.listening_seat import ListeningSeat
from pipelines.team.plan import CallMember, CallTeam, SeatPlan, VoicePlan
from pipelines.team.seat import MemberSeat
from pipelines.team.switching import Refusal
from pipelines.tools.result import ToolResult
from pipelines.tools.toolset import Offer
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls
from tests.pipelines.calls import APPOINTMENT, GOODBYE, HOURS, Call, Said, Voice
from tests.pipelines.team.benches import Service

pytestmark = pytest.mark.virtual_time

DESK, DOCTOR = UUID(int=1), UUID(int=2)
DESK_HERE, DOCTOR_HERE, ONE_MOMENT, SORRY = "Good morning.", "The doctor is speaking.", "One moment please.", "No luck."
ADVICE = "Drink a lot of water and stay in bed until you feel better, and call again when you do not."

DESK_SCRIPT = parse_script(
    f"""
greeting: {DESK_HERE}
rules:
  - when: {APPOINTMENT}
    say: {ONE_MOMENT}
    call: {{tool: to_doctor}}
    then: {{say: Never said., else_say: {SORRY}}}
  - when: {HOURS}
    say: From eight to six.
"""
)
DOCTOR_SCRIPT = parse_script(
    f"""
greeting: {DOCTOR_HERE}
rules:
  - when: {APPOINTMENT}
    say: Never said.
  - when: {HOURS}
    say: {ADVICE}
  - when: {GOODBYE}
    call: {{tool: to_desk}}
    then: {{say: Never said., else_say: {SORRY}}}
"""
)


class NoTools:
    """A member without tools."""

    def schemas(self) -> list[FunctionSchema]:
        return []

    async def open(self, offer: Offer) -> None:
        del offer

    async def aclose(self) -> None:
        pass


@dataclass
class Bench:
    """A team, what was made for it, and what was told of it."""

    made: dict[str, list[FrameProcessor]] = field(default_factory=dict)
    switches: list[tuple[UUID, UUID, str]] = field(default_factory=list)
    calls: list[tuple[ToolCall, ToolResult]] = field(default_factory=list)
    handover: Handover = field(init=False)
    services: VoiceServices = field(init=False)

    def plan(self, seat: Seat, name: str, make: Callable[[], FrameProcessor]) -> SeatPlan:
        def made() -> FrameProcessor:
            service = make()
            self.made.setdefault(name, []).append(service)
            return service

        return SeatPlan(key=name, provider=name, make=made, circuit=lambda: None)

    def member(self, id_: UUID, name: str, script: Any, transition: Transition, **changes: Any) -> CallMember:
        made = {
            Seat.STT: self.plan(Seat.STT, f"{name} ear", lambda: PocketsphinxSTTService(phrases=script.phrases())),
            Seat.LLM: self.plan(Seat.LLM, f"{name} model", lambda: ScriptLLMService(script=script)),
            Seat.TTS: self.plan(Seat.TTS, f"{name} voice", Voice),
        }
        settings: dict[str, Any] = {
            "vad": EffectiveVad(),
            "smart_turn_enabled": False,
            "options": CallOptions.model_validate({"filler": []}),
            "idle_timeout_s": 20.0,
        }
        settings |= changes.pop("settings", {})
        plan = VoicePlan(made | changes.pop("seats", {}), True, lambda: SpareVoice("", Voice, calls.RATE_HZ))
        return CallMember(id_, name, plan, ConversationSettings(**settings), NoTools(), [transition])

    def gather(self, *members: CallMember) -> None:
        team = CallTeam({member.id: member for member in members}, members[0].id)
        self.handover = Handover(
            team,
            lambda from_, to, name: self.switches.append((from_, to, name)),
            lambda call, result: self.calls.append((call, result)),
        )
        seats = team.current.plan.seats
        self.services = VoiceServices(
            stt=ListeningSeat(seats[Seat.STT]),
            llm=MemberSeat(Seat.LLM, seats[Seat.LLM]),
            tts=MemberSeat(Seat.TTS, seats[Seat.TTS]),
        )

    @asynccontextmanager
    async def calling(self, inference: InferenceEngine, **how: Any) -> AsyncIterator[Call]:
        options: dict[str, Any] = {"filler": []}
        async with calls.calling(
            self.services, inference=inference, handover=self.handover, options=options, **how
        ) as call:
            yield call

    @property
    def holders(self) -> tuple[object, object, object]:
        """Whose services have the seats."""
        stt, llm, tts = self.services.stt, self.services.llm, self.services.tts
        assert isinstance(stt, MemberSeat)
        assert isinstance(llm, MemberSeat)
        assert isinstance(tts, MemberSeat)
        return stt.key, llm.key, tts.key


TO_DOCTOR = Transition(function_name="to_doctor", description="The caller is ill.", next_member_id=DOCTOR)
TO_DESK = Transition(function_name="to_desk", next_member_id=DESK)
THE_DOCTORS = ("Doctor ear", "Doctor model", "Doctor voice")
THE_DESKS = ("Desk ear", "Desk model", "Desk voice")


def bench(**doctor: Any) -> Bench:
    made = Bench()
    made.gather(
        made.member(DESK, "Desk", DESK_SCRIPT, TO_DOCTOR),
        made.member(DOCTOR, "Doctor", DOCTOR_SCRIPT, TO_DESK, **doctor),
    )
    return made


async def test_the_call_goes_there_and_back(inference: InferenceEngine) -> None:
    stage = bench(settings={"vad": EffectiveVad(stop_secs=0.5), "smart_turn_enabled": False})
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        assert set(stage.made) == set(THE_DESKS)
        await call.caller.say(APPOINTMENT)
        assert await call.bot_lines(3) == [DESK_HERE, ONE_MOMENT, DOCTOR_HERE]
        assert stage.holders == THE_DOCTORS
        await call.caller.say(HOURS)
        assert (await call.bot_lines(4))[-1] == ADVICE
        await call.caller.say(GOODBYE)
        assert (await call.bot_lines(5))[-1] == DESK_HERE
        assert stage.holders == THE_DESKS
    # The doctor is more patient: the silence that ends a turn is longer by as much.
    (record,) = (it for it in call.witness.turns if it.user_text == HOURS)
    assert record.turn_end_ms is not None
    assert record.speech_end_ms is not None
    assert record.turn_end_ms - record.speech_end_ms >= 450
    assert stage.switches == [(DESK, DOCTOR, "to_doctor"), (DOCTOR, DESK, "to_desk")]
    assert [call.function.name for call, result in stage.calls if result.ok] == ["to_doctor", "to_desk"]
    # Each was made once: the desk's were kept warm.
    assert {name: len(services) for name, services in stage.made.items()} == dict.fromkeys(THE_DESKS + THE_DOCTORS, 1)
    assert Said("user", HOURS) in call.witness.lines


@pytest.mark.parametrize("seat", list(Seat))
async def test_a_member_who_cannot_be_reached(inference: InferenceEngine, seat: Seat) -> None:
    stage = Bench()
    refuses = stage.plan(seat, "refuses", lambda: Service("refuses", refuses=True))
    stage.gather(
        stage.member(DESK, "Desk", DESK_SCRIPT, TO_DOCTOR),
        stage.member(DOCTOR, "Doctor", DOCTOR_SCRIPT, TO_DESK, seats={seat: refuses}),
    )
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        await call.caller.say(APPOINTMENT)
        assert await call.bot_lines(3) == [DESK_HERE, ONE_MOMENT, SORRY]
        assert stage.holders == THE_DESKS
        await call.caller.say(HOURS)
        assert (await call.bot_lines(4))[-1] == "From eight to six."
    assert stage.switches == []
    ((_, result),) = stage.calls
    assert not result.ok
    assert call.witness.failures == []


async def test_a_member_whose_ai_is_gone(inference: InferenceEngine) -> None:
    stage = Bench()
    stage.gather(stage.member(DESK, "Desk", DESK_SCRIPT, TO_DOCTOR))
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        await call.caller.say(APPOINTMENT)
        assert (await call.bot_lines(3))[-1] == SORRY
    assert stage.switches == []


async def test_a_caller_who_goes_on_while_the_next_one_is_fetched(inference: InferenceEngine) -> None:
    stage = Bench()
    slow = stage.plan(Seat.LLM, "slow", lambda: Service("slow", hangs=True))
    stage.gather(
        stage.member(DESK, "Desk", DESK_SCRIPT, TO_DOCTOR),
        stage.member(DOCTOR, "Doctor", DOCTOR_SCRIPT, TO_DESK, seats={Seat.LLM: slow}),
    )
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        await call.caller.say(APPOINTMENT)
        await call.witness.until(lambda: call.witness.log.count("user_said") == 1)
        await call.caller.say(HOURS)
        await call.witness.until(lambda: "From eight to six." in call.witness.bot_lines())
        assert stage.holders == THE_DESKS
    assert stage.switches == []
    assert [result.ok for _, result in stage.calls] == [False]


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.5, 1.0, 1.5, 2.0])
async def test_a_caller_who_speaks_while_the_call_changes_hands(inference: InferenceEngine, after_s: float) -> None:
    stage = bench()
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        await call.caller.say(APPOINTMENT)
        await call.witness.until(lambda: call.witness.log.count("user_said") == 1)
        await asyncio.sleep(after_s)
        await call.caller.say(HOURS)
        await call.witness.until(lambda: call.witness.log.count("user_said") == 2)
        answers = {"From eight to six.", ADVICE}
        await call.witness.until(lambda: answers & set(call.witness.bot_lines()))
        # Whoever has it has all of it.
        await asyncio.sleep(5)
        assert stage.holders in (THE_DESKS, THE_DOCTORS)
        assert len(stage.switches) == (stage.holders == THE_DOCTORS)
        assert stage.handover.current.id == (DOCTOR if stage.switches else DESK)


async def test_one_at_a_time_and_only_by_who_has_the_call(inference: InferenceEngine) -> None:
    stage = bench()
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        first = asyncio.create_task(stage.handover.transfer(DESK, TO_DOCTOR))
        await asyncio.sleep(0)
        assert (await stage.handover.transfer(DESK, TO_DOCTOR)).message == Refusal.UNDER_WAY.value
        assert (await first).ok
        assert (await stage.handover.transfer(DESK, TO_DOCTOR)).message == Refusal.NOT_YOURS.value
    assert len(stage.switches) == 1


async def test_members_who_send_the_caller_round_in_circles(inference: InferenceEngine) -> None:
    stage = bench()
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        results = []
        for member, way in ((DESK, TO_DOCTOR), (DOCTOR, TO_DESK)) * 2:
            results.append(await stage.handover.transfer(member, way))
        assert [it.ok for it in results] == [True, True, True, False]
        assert results[-1].message == Refusal.LOOP.value
        assert stage.handover.current.id == DOCTOR
        await asyncio.sleep(5)
        assert stage.holders == THE_DOCTORS
        await call.caller.say(HOURS)
        await call.witness.until(lambda: ADVICE in call.witness.bot_lines())
        assert (await stage.handover.transfer(DOCTOR, TO_DESK)).ok


async def test_a_vendor_that_fails_after_the_switch_is_the_next_ones(inference: InferenceEngine) -> None:
    stage = bench()
    async with stage.calling(inference) as call:
        await call.bot_lines(1)
        await call.caller.say(APPOINTMENT)
        await call.bot_lines(3)
        assert stage.services.provider(Seat.LLM) == "Doctor model"
        model = stage.made["Doctor model"][0]
        await model.push_error("no", category=ErrorCategory.CONNECTIVITY)
        await call.witness.count("provider_failed")
        # It is asked again, as a single AI's is.
        assert call.witness.failures == [(Seat.LLM, "connectivity", False)]
        # The desk's is nobody's business now.
        await stage.made["Desk model"][0].push_error("no", category=ErrorCategory.CONNECTIVITY)
        await asyncio.sleep(1)
        assert len(call.witness.failures) == 1
        assert not call.witness.reasons


async def test_a_function_says_what_it_is_for() -> None:
    stage = bench()
    (way,) = stage.handover.schemas()
    assert (way.name, way.description) == ("to_doctor", "The caller is ill.")
    other = Bench()
    other.gather(
        other.member(DOCTOR, "Doctor", DOCTOR_SCRIPT, TO_DESK), other.member(DESK, "Front desk", DESK_SCRIPT, TO_DOCTOR)
    )
    (way,) = other.handover.schemas()
    assert "Front desk" in way.description
    for one in (stage, other):
        for services in one.made.values():
            for service in services:
                await service.cleanup()
