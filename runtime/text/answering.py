"""Who answers in a conversation or task: an AI, or the member of a team that has it."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from adapters.store.teams.contract import MemberSwitch
from models.ai import Ai
from models.aicall import Aicall, AssistanceType
from models.team import Transition
from models.tools import ToolDefinition
from pipelines.team.switching import Switching
from pipelines.tools.bound import BoundTool, Invocation
from pipelines.tools.result import ToolResult
from runtime.calls.roster import Roster, load_roster
from runtime.services import Services

_NOT_THERE = "they cannot be reached now; help the user yourself or try somebody else"


class Answering:
    """Who answers, and by what functions a member of a team hands over to another one.

    Args:
        aicall: The AIcall.
        ai: Its AI; None for a team.
        roster: Its team; None for an AI alone.
    """

    def __init__(self, aicall: Aicall, ai: Ai | None, roster: Roster | None) -> None:
        self._aicall = aicall
        self._ai = ai
        self._roster = roster
        self._switching = Switching(
            aicall.current_member_id if roster is None else roster.member_id(aicall.current_member_id)
        )
        self._asked: Transition | None = None

    @property
    def aicall(self) -> Aicall:
        """What the AIcall runs with while they answer."""
        if self._roster is None:
            return self._aicall
        return self._roster.aicall_of(self._aicall, self._roster.team.member(self._switching.current))

    @property
    def ai(self) -> Ai:
        """Their AI.

        Raises:
            NotFound: It was deleted.
        """
        if self._roster is not None:
            return self._roster.ai_of(self._switching.current)
        assert self._ai is not None  # noqa: S101  # one of the two is there
        return self._ai

    @property
    def handing_over(self) -> bool:
        """Whether another member was asked to go on; `hand_over` follows."""
        return self._asked is not None

    def user_spoke(self) -> None:
        """The user has said something: it may be handed over again."""
        self._switching.caller_spoke()

    def ways(self) -> list[BoundTool]:
        """Return the functions by which they hand over."""
        if self._roster is None:
            return []
        return [
            BoundTool(
                ToolDefinition(
                    way.function_name, way.description or "Hand the conversation over.", takes_run_llm=False
                ),
                partial(self._ask, way),
            )
            for way in self._roster.team.member(self._switching.current).transitions
        ]

    async def hand_over(self, services: Services) -> None:
        """Let the other member answer from now on."""
        way, self._asked = self._asked, None
        if way is None:
            return
        before = self._switching.current
        self._switching.arrive()
        switch = MemberSwitch(self._aicall.id, before, self._switching.current, way.function_name)
        await services.store.switch_member(switch, now=services.clock(), key=uuid4())

    async def _ask(self, way: Transition, call: Invocation) -> ToolResult:
        del call
        refusal = self._switching.ask(self._switching.current, way.next_member_id)
        if refusal is not None:
            return ToolResult.failed(refusal.value)
        present = [] if self._roster is None else self._roster.present()
        target = next((member for member in present if member.id == way.next_member_id), None)
        if target is None:
            self._switching.abandon()
            return ToolResult.failed(_NOT_THERE)
        self._asked = way
        return ToolResult(ok=True, message=f"{target.name} goes on now")


async def load_answering(services: Services, aicall: Aicall) -> Answering:
    """Load who answers in an AIcall, and what they need.

    Raises:
        NotFound: The AI or the team was deleted.
    """
    if aicall.assistance_type is AssistanceType.TEAM:
        team = await services.store.get_team(aicall.assistance_id, customer_id=aicall.customer_id)
        return Answering(aicall, None, await load_roster(services, team))
    ai = await services.store.get_ai(aicall.assistance_id, customer_id=aicall.customer_id)
    await services.preloader.ensure(aicall.providers)
    return Answering(aicall, ai, None)
