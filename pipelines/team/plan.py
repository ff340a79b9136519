"""What a member of a team needs: its services, not made yet, and how the call runs with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.processors.frame_processor import FrameProcessor

from adapters.breaker import Circuit
from models.team import Transition
from pipelines.failover.failures import Seat
from pipelines.speech.phrase_recorder import SpareVoice
from pipelines.tools.toolset import Offer

if TYPE_CHECKING:
    from pipelines.conversation.types import ConversationSettings


@dataclass(frozen=True, slots=True)
class SeatPlan:
    """How the service of one seat is made.

    Attributes:
        key: Equal where the services would be the same, so that members share one.
        provider: The vendor's name in the seat's table; of several, the first one's.
        make: Makes it; opens no connection. Raises `AicallError` when it cannot be used.
        circuit: What the process knows of the vendor, where there is but one; raises `AicallError` like `make`.
    """

    key: Hashable
    provider: str
    make: Callable[[], FrameProcessor]
    circuit: Callable[[], Circuit | None]


@dataclass(frozen=True, slots=True)
class VoicePlan:
    """How the three services of a member are made.

    Attributes:
        seats: Each seat's.
        may_speculate: Whether the model may be asked for an answer that is then not used.
        spare_voice: Returns the voice that phrases are recorded with. Raises `AicallError` when it cannot be used.
    """

    seats: Mapping[Seat, SeatPlan]
    may_speculate: bool
    spare_voice: Callable[[], SpareVoice]


class MemberTools(Protocol):
    """A member's tools, its transitions not counted (`pipelines.tools.toolset.Toolset`)."""

    def schemas(self) -> list[FunctionSchema]:
        """Return those that are known by now."""

    async def open(self, offer: Offer) -> None:
        """Ask for those that are not; ``offer`` is called with all of them."""

    async def aclose(self) -> None:
        """Close what was opened."""


@dataclass(frozen=True, slots=True)
class CallMember:
    """A member of a team, in one call.

    Attributes:
        id: The member's id.
        name: What the other members' models are told that it is.
        plan: How its services are made.
        settings: How the call runs while it has it.
        tools: What its model may call, besides its transitions.
        transitions: To whom it can hand the call over.
    """

    id: UUID
    name: str
    plan: VoicePlan
    settings: ConversationSettings
    tools: MemberTools
    transitions: Sequence[Transition]


@dataclass(frozen=True, slots=True)
class CallTeam:
    """The team of one call.

    Attributes:
        members: Those whose AI is there, by their ids.
        current_member_id: Who has the call at first.
    """

    members: Mapping[UUID, CallMember]
    current_member_id: UUID

    @property
    def current(self) -> CallMember:
        """Who has the call at first."""
        return self.members[self.current_member_id]
