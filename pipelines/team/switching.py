"""Which member of a team has the call: a state machine, without time and without services."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

MOST_IN_A_ROW = 3
"""How often a call is handed over before the caller has said anything in between."""


class Phase(StrEnum):
    """What goes on."""

    SETTLED = "settled"
    """One member has the call."""
    PREPARING = "preparing"
    """One member has the call, and another one's services are being made."""


class Step(StrEnum):
    """What can happen."""

    ASK = "ask"
    """A member wants to hand the call over."""
    ARRIVE = "arrive"
    """The other one takes it."""
    ABANDON = "abandon"
    """It stays where it is."""


TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    (Phase.SETTLED, Step.ASK): Phase.PREPARING,
    (Phase.PREPARING, Step.ARRIVE): Phase.SETTLED,
    (Phase.PREPARING, Step.ABANDON): Phase.SETTLED,
}
"""Every move there is."""


class Refusal(StrEnum):
    """Why a call is not handed over, as the model is told."""

    UNDER_WAY = "the call is being handed over already"
    NOT_YOURS = "you do not have the call any more"
    LOOP = "the call was handed over several times and the caller has not spoken since; help the caller yourself"


class IllegalStep(RuntimeError):
    """The code has a mistake: the table does not list the move."""


class Switching:
    """Who has the call.

    Args:
        member_id: Who has it at first.
        most_in_a_row: How often it is handed over without a word of the caller in between.

    Attributes:
        current: Who has it.
        phase: What goes on.
    """

    def __init__(self, member_id: UUID, *, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self.current = member_id
        self.phase = Phase.SETTLED
        self._most = most_in_a_row
        self._in_a_row = 0
        self._target: UUID | None = None

    @property
    def target(self) -> UUID | None:
        """Who is to take the call; None when nobody is."""
        return self._target

    def caller_spoke(self) -> None:
        """The caller has said something: the call may be handed over again."""
        self._in_a_row = 0

    def ask(self, member_id: UUID, target: UUID) -> Refusal | None:
        """A member wants to hand the call over.

        Args:
            member_id: Which member.
            target: To whom.

        Returns:
            Why not; None when the other one's services are to be made, after which `arrive` or `abandon` must follow.
        """
        if self.phase is not Phase.SETTLED:
            return Refusal.UNDER_WAY
        if member_id != self.current:
            return Refusal.NOT_YOURS
        if self._in_a_row >= self._most:
            return Refusal.LOOP
        self._move(Step.ASK)
        self._target = target
        return None

    def arrive(self) -> None:
        """The other one has the call from now on."""
        self._move(Step.ARRIVE)
        if self._target is not None:
            self.current, self._target = self._target, None
        self._in_a_row += 1

    def abandon(self) -> None:
        """The call stays where it is."""
        self._move(Step.ABANDON)
        self._target = None

    def _move(self, step: Step) -> None:
        following = TRANSITIONS.get((self.phase, step))
        if following is None:
            raise IllegalStep(f"{step} while {self.phase}")
        self.phase = following
