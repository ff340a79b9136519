"""One call's life in the process that runs it: a state machine without clock and without I/O.

Whoever runs the call tells it what happened and records what it answers. The statuses of the AIcall and their moves
stand in `models.status`; here is what a status does not say: whether the phone system is connected, and whether a
pause was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from models.errors import Conflict
from models.status import AicallStatus


class Phase(Enum):
    """Where a call stands."""

    OPENING = auto()
    """Connected for the first time; the pipeline does not run yet."""
    RUNNING = auto()
    HELD = auto()
    """A pause was asked for; the phone system is connected."""
    DETACHED = auto()
    """The phone system was lost and may connect again."""
    HELD_DETACHED = auto()
    """Both."""
    RESUMING = auto()
    """Connected and nobody's pause any more; the pipeline does not listen yet."""
    RESUMING_DETACHED = auto()
    """The phone system was lost while it resumed."""
    ENDING = auto()
    ENDED = auto()
    LOST = auto()
    """Another process runs the AIcall: nothing of this one counts any more."""


class Trigger(Enum):
    """What may happen to a call."""

    LISTENS = auto()
    """The pipeline runs, or runs again."""
    PAUSE = auto()
    RESUME = auto()
    MEDIA_LOST = auto()
    MEDIA_BACK = auto()
    END = auto()
    RELEASED = auto()
    """Everything that the call held is released."""
    TAKEN = auto()
    """The store says that another process runs the AIcall."""


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from a trigger.

    Attributes:
        phase: Where the call stands afterwards.
        moves: The AIcall's status moves, in order; each is recorded.
    """

    phase: Phase
    moves: tuple[AicallStatus, ...] = ()


_P, _T, _S = Phase, Trigger, AicallStatus
_ALIVE = (_P.RUNNING, _P.HELD, _P.DETACHED, _P.HELD_DETACHED, _P.RESUMING, _P.RESUMING_DETACHED)

STEPS: Final[Mapping[tuple[Phase, Trigger], Step]] = MappingProxyType(
    {
        (_P.OPENING, _T.LISTENS): Step(_P.RUNNING, (_S.PROGRESSING,)),
        # Nothing was said yet, and an AIcall cannot go from initiating to pausing.
        (_P.OPENING, _T.MEDIA_LOST): Step(_P.ENDING, (_S.TERMINATING,)),
        (_P.RUNNING, _T.PAUSE): Step(_P.HELD, (_S.PAUSING,)),
        (_P.RUNNING, _T.MEDIA_LOST): Step(_P.DETACHED, (_S.PAUSING,)),
        (_P.RUNNING, _T.RESUME): Step(_P.RUNNING),
        (_P.HELD, _T.PAUSE): Step(_P.HELD),
        (_P.HELD, _T.RESUME): Step(_P.RESUMING, (_S.RESUMING,)),
        (_P.HELD, _T.MEDIA_LOST): Step(_P.HELD_DETACHED),
        (_P.DETACHED, _T.PAUSE): Step(_P.HELD_DETACHED),
        (_P.DETACHED, _T.MEDIA_BACK): Step(_P.RESUMING, (_S.RESUMING,)),
        (_P.HELD_DETACHED, _T.PAUSE): Step(_P.HELD_DETACHED),
        (_P.HELD_DETACHED, _T.MEDIA_BACK): Step(_P.HELD),
        (_P.RESUMING, _T.RESUME): Step(_P.RESUMING),
        (_P.RESUMING, _T.LISTENS): Step(_P.RUNNING, (_S.PROGRESSING,)),
        (_P.RESUMING, _T.MEDIA_LOST): Step(_P.RESUMING_DETACHED),
        (_P.RESUMING_DETACHED, _T.MEDIA_BACK): Step(_P.RESUMING),
        # From resuming there is no way back to pausing but through progressing.
        (_P.RESUMING_DETACHED, _T.LISTENS): Step(_P.DETACHED, (_S.PROGRESSING, _S.PAUSING)),
        **{(phase, _T.END): Step(_P.ENDING, (_S.TERMINATING,)) for phase in (_P.OPENING, *_ALIVE)},
        (_P.ENDING, _T.RELEASED): Step(_P.ENDED, (_S.TERMINATED,)),
        **{(phase, _T.TAKEN): Step(_P.LOST) for phase in (_P.OPENING, *_ALIVE, _P.ENDING)},
    }
)
"""Every step there is. A trigger that is not listed for a phase is refused."""

_AT_FIRST: Final[Mapping[tuple[AicallStatus, bool], Phase]] = MappingProxyType(
    {
        (_S.INITIATING, False): _P.OPENING,
        (_S.PAUSING, False): _P.DETACHED,
        (_S.PAUSING, True): _P.HELD_DETACHED,
        (_S.RESUMING, False): _P.RESUMING_DETACHED,
    }
)


class CallLife:
    """One call's life.

    Args:
        status: The AIcall's status when this process took it.
        held: Whether a pause was asked for by then.

    Attributes:
        phase: Where it stands; changed by `move` only.
        status: The AIcall's status once everything so far is recorded.

    Raises:
        Conflict: In this status nobody can take it.
    """

    def __init__(self, status: AicallStatus, *, held: bool = False) -> None:
        first = _AT_FIRST.get((status, held))
        if first is None:
            raise Conflict(f"a call cannot be taken while it is {status}")
        self.phase = first
        self.status = status

    def move(self, trigger: Trigger) -> Step:
        """Take the life on by one step.

        Raises:
            Conflict: `STEPS` does not list it; nothing has changed.
        """
        step = STEPS.get((self.phase, trigger))
        if step is None:
            raise Conflict(f"the AIcall is {self.status}{'; its media socket is lost' if self.detached else ''}")
        self.phase = step.phase
        if step.moves:
            self.status = step.moves[-1]
        return step

    def may(self, trigger: Trigger) -> bool:
        """Say whether a trigger is listed for where the life stands."""
        return (self.phase, trigger) in STEPS

    @property
    def held(self) -> bool:
        """Whether a pause was asked for."""
        return self.phase in {Phase.HELD, Phase.HELD_DETACHED}

    @property
    def detached(self) -> bool:
        """Whether the phone system was lost and may connect again."""
        return self.phase in {Phase.DETACHED, Phase.HELD_DETACHED, Phase.RESUMING_DETACHED}

    @property
    def over(self) -> bool:
        """Whether the call ends, has ended, or is another process's."""
        return self.phase in {Phase.ENDING, Phase.ENDED, Phase.LOST}
