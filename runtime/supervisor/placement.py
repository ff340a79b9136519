"""Which worker gets the next connection: the one with the most room. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker says of itself.

    Attributes:
        calls: Places that are taken: live calls, and connections that are being admitted as one.
        free: How many more calls it would take at this moment; infinity where it knows no limit.
        undecided: Connections it has got lately that have not asked for anything yet; each may become a call.
        received: Connections it has got since it began.
    """

    calls: int = 0
    free: float = math.inf
    undecided: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker that may get the next connection.

    Attributes:
        id: Which one.
        load: What it said last.
        unreceived: Connections that it was handed and has not said to have got.
        stalled: Whether it has been silent about them for so long that it may hang.
        turn: A number that grows with every connection handed out; that of the last one that this worker got.
    """

    id: int
    load: Load
    unreceived: int = 0
    stalled: bool = False
    turn: int = 0


def place(candidates: Iterable[Candidate]) -> int | None:
    """Choose the worker for the next connection.

    The most free places win; what is on its way to a worker counts as taken there, since a burst of connections comes
    before the first of them shows in any report. Workers with the same room are told apart by how little they do, and
    then take turns. A full one is chosen when all are full: it says so with 503 and ``Retry-After``.

    Returns:
        Its id; None without candidates.
    """
    best = min(candidates, key=_preference, default=None)
    return best.id if best else None


def _preference(candidate: Candidate) -> tuple[bool, float, int, int, int]:
    coming = candidate.unreceived + candidate.load.undecided
    # Fractions of a place say nothing, and would send everything to one of two idle workers.
    free = candidate.load.free if math.isinf(candidate.load.free) else math.floor(candidate.load.free)
    return candidate.stalled, coming - free, candidate.load.calls + coming, candidate.turn, candidate.id
