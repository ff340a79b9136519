"""Hands a call over from one member of its team to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import FunctionCallResultProperties, LLMMessagesAppendFrame
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from models.errors import AicallError
from models.fillers import fillers_of
from models.message import ToolCall, ToolCallFunction
from models.prompts import TOOK_OVER
from models.team import Transition
from pipelines.failover.failures import Seat
from pipelines.team.listening_seat import ListeningSeat
from pipelines.team.plan import CallMember, CallTeam
from pipelines.team.seat import MemberChangedFrame, MemberSeat
from pipelines.team.switching import Switching
from pipelines.tools.result import ToolResult
from pipelines.tools.toolset import Offer
from pipelines.turns.start_strategy import BargeInRules
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.smart_turn import TurnAudio

if TYPE_CHECKING:
    from pipelines.conversation.parts import Parts

_NOT_THERE = "they cannot be reached now; tell the caller, help them yourself or try somebody else"


class _CallParams(Protocol):
    """The part of Pipecat's ``FunctionCallParams`` that is used here."""

    tool_call_id: str
    arguments: Mapping[str, Any]
    result_callback: Callable[..., Awaitable[None]]


OnCall = Callable[[ToolCall, ToolResult], None]
"""Gets each finished call of a transition."""
OnSwitched = Callable[[UUID, UUID, str], None]
"""Gets who had the call, who has it, and the transition's function name."""


class Handover:
    """The team of one call.

    Args:
        team: The members.
        on_switched: Told when another member has the call. Must return at once.
        on_call: Told of each call of a transition. Must return at once.
    """

    def __init__(self, team: CallTeam, on_switched: OnSwitched, on_call: OnCall) -> None:
        self._team = team
        self._on_switched = on_switched
        self._on_call = on_call
        self._switching = Switching(team.current_member_id)
        self._parts: Parts | None = None
        self._inference: InferenceEngine | None = None
        self._rate_hz = 0
        self._heard_by = self._spoken_by = team.current

    @property
    def current(self) -> CallMember:
        """Who has the call."""
        return self._team.members[self._switching.current]

    def schemas(self) -> list[FunctionSchema]:
        """Return what the model of the member that has the call may call, each with its handler."""
        return self._schemas(self.current)

    def bind(self, parts: Parts, inference: InferenceEngine, rate_hz: int) -> None:
        """Act on this conversation.

        Args:
            parts: Its parts.
            inference: The process's shared models.
            rate_hz: Rate of the call's audio, Hz.
        """
        self._parts, self._inference, self._rate_hz = parts, inference, rate_hz
        self._stt.on_changed = self._change_ears
        self._tts.on_changed = self._change_voice

    def caller_spoke(self) -> None:
        """The caller has said something."""
        self._switching.caller_spoke()

    async def transfer(self, member_id: UUID, transition: Transition) -> ToolResult:
        """Hand the call over.

        Args:
            member_id: Who wants to.
            transition: To whom.

        Returns:
            What the model is told: the next one's where it worked.
        """
        refusal = self._switching.ask(member_id, transition.next_member_id)
        if refusal is not None:
            return ToolResult.failed(refusal.value)
        target = self._team.members.get(transition.next_member_id)
        try:
            ready = target is not None and await self._prepare(target)
        except BaseException:
            # The caller went on speaking, or the call ends: what was begun stays warm.
            self._switching.abandon()
            raise
        if target is None or not ready:
            self._switching.abandon()
            return ToolResult.failed(_NOT_THERE)
        self._commit(target, transition)
        return ToolResult(ok=True, message=f"{target.name} has the call now")

    # The members' tools (`pipelines.conversation.conversation.Tools`).

    async def open(self, offer: Offer) -> None:
        """Ask every member's MCP servers for their tools, so that they are known when the member has the call."""

        async def open_of(member: CallMember) -> None:
            async def offered(tools: Sequence[FunctionSchema]) -> None:
                del tools
                if member is self.current:
                    await offer(self._schemas(member))

            await member.tools.open(offered)

        await asyncio.gather(*(open_of(member) for member in self._team.members.values()))

    async def aclose(self) -> None:
        """Close what the members' tools have opened."""
        await asyncio.gather(*(member.tools.aclose() for member in self._team.members.values()))

    # Functions.

    def _schemas(self, member: CallMember) -> list[FunctionSchema]:
        ways = [
            FunctionSchema(
                name=transition.function_name,
                description=transition.description or f"Hand the call over to {self._name_of(transition)}.",
                properties={},
                required=[],
                handler=self._handler(member, transition),
            )
            for transition in member.transitions
        ]
        return [*member.tools.schemas(), *ways]

    def _name_of(self, transition: Transition) -> str:
        target = self._team.members.get(transition.next_member_id)
        return target.name if target is not None else "somebody else"

    def _handler(self, member: CallMember, transition: Transition) -> Callable[[Any], Awaitable[None]]:
        async def handle(params: _CallParams) -> None:
            function = ToolCallFunction(name=transition.function_name, arguments=json.dumps(dict(params.arguments)))
            call = ToolCall(id=params.tool_call_id, function=function)
            try:
                result = await self.transfer(member.id, transition)
            except asyncio.CancelledError:
                self._on_call(call, ToolResult.failed("cancelled: the caller went on speaking"))
                raise
            self._on_call(call, result)
            properties = FunctionCallResultProperties(run_llm=True)
            await params.result_callback(result.document(), properties=properties)

        return handle

    # Changing.

    async def _prepare(self, target: CallMember) -> bool:
        seats = target.plan.seats
        ready = await asyncio.gather(
            self._stt.prepare(seats[Seat.STT]),
            self._llm.prepare(seats[Seat.LLM]),
            self._tts.prepare(seats[Seat.TTS]),
        )
        return all(ready)

    def _commit(self, target: CallMember, transition: Transition) -> None:
        """Give the call to the next member. Nothing waits in here, so that it is done whole or not at all."""
        before = self.current
        self._switching.arrive()
        logger.info("the call goes from {} to {}", before.name, target.name)
        parts = self._bound
        parts.context.set_tools(ToolsSchema(standard_tools=list(self._schemas(target))))
        message: LLMContextMessage = {"role": "developer", "content": TOOK_OVER}
        note = LLMMessagesAppendFrame([message])
        note.interruptible = False
        keys = {seat: plan.key for seat, plan in target.plan.seats.items()}
        self._llm.hand_over(note, MemberChangedFrame(keys))
        self._heard_by = self._spoken_by = target
        self._stt.change_when_quiet(keys[Seat.STT])
        self._on_switched(before.id, target.id, transition.function_name)

    def _change_ears(self) -> None:
        """The next member's recogniser listens: its VAD, its patience and its manners go with it."""
        assert self._inference is not None  # noqa: S101  # `bind` sets both
        parts, settings = self._bound, self._heard_by.settings
        turn_audio = TurnAudio(self._rate_hz, settings.vad.start_secs) if settings.smart_turn_enabled else None
        parts.input.change(settings.vad, turn_audio)
        parts.strategy.change(
            speech_timeout_s=settings.options.speech_timeout_s,
            vad_stop_secs=settings.vad.stop_secs,
            smart_turn=(self._inference.smart_turn, turn_audio, self._rate_hz) if turn_audio is not None else None,
        )
        parts.start.change(BargeInRules.of(settings.options, language=settings.language, can_clear=True))

    def _change_voice(self) -> None:
        """The next member's voice speaks: what is said in place of it is said in that voice too."""
        parts, member = self._bound, self._spoken_by
        options = member.settings.options
        texts = fillers_of(member.settings.language) if options.filler is None else options.filler
        try:
            spare = member.plan.spare_voice()
        except AicallError:
            spare = None
        parts.greeting.speaks_as("" if spare is None else spare.identity)
        parts.filler.change(texts, options.filler_after_s)
        parts.phrases.change(spare, [*texts, parts.settings.options.apology])

    # Its parts.

    @property
    def _bound(self) -> Parts:
        assert self._parts is not None  # noqa: S101  # no function is called before the conversation runs
        return self._parts

    @property
    def _stt(self) -> ListeningSeat:
        service = self._bound.services.stt
        assert isinstance(service, ListeningSeat)  # noqa: S101  # `make_team_services` makes it
        return service

    @property
    def _llm(self) -> MemberSeat:
        service = self._bound.services.llm
        assert isinstance(service, MemberSeat)  # noqa: S101
        return service

    @property
    def _tts(self) -> MemberSeat:
        service = self._bound.services.tts
        assert isinstance(service, MemberSeat)  # noqa: S101
        return service
