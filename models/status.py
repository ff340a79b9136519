"""The AIcall's statuses and the one table of moves between them (seed 001; design section 4)."""

from __future__ import annotations

from enum import StrEnum

from models.errors import IllegalTransition


class AicallStatus(StrEnum):
    """Status of an AIcall (seed 001, "Status")."""

    INITIATING = "initiating"
    PROGRESSING = "progressing"
    PAUSING = "pausing"
    RESUMING = "resuming"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


_S = AicallStatus

TRANSITIONS: dict[AicallStatus, frozenset[AicallStatus]] = {
    _S.INITIATING: frozenset({_S.PROGRESSING, _S.TERMINATING}),
    _S.PROGRESSING: frozenset({_S.PAUSING, _S.TERMINATING}),
    _S.PAUSING: frozenset({_S.RESUMING, _S.TERMINATING}),
    _S.RESUMING: frozenset({_S.PROGRESSING, _S.TERMINATING}),
    _S.TERMINATING: frozenset({_S.TERMINATED}),
    _S.TERMINATED: frozenset(),
}
"""From each status, the statuses it may move to."""


def is_final(status: AicallStatus) -> bool:
    """Say whether no move leads out of the status."""
    return not TRANSITIONS[status]


def transition(source: AicallStatus, target: AicallStatus) -> AicallStatus:
    """Make one move.

    Returns:
        The status after the move.

    Raises:
        IllegalTransition: The table does not list the move.
    """
    if target not in TRANSITIONS[source]:
        raise IllegalTransition(source, target)
    return target
