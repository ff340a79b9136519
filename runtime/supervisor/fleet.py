"""The supervisor's mind: which workers there are, what happens to them, what is to be done about it. Pure.

What happened goes in as method calls with the moment, what is to be done comes out as commands. A clock that is asked
by nobody and a list of commands are all that a test needs to try every order of events.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from runtime.supervisor.backoff import BackOff


class Step(StrEnum):
    """Where a worker is."""

    STARTING = "starting"
    READY = "ready"
    RETIRING = "retiring"
    """It has a successor: it gets no more connections and ends with its last call."""
    DRAINING = "draining"
    """The whole server ends: it answers requests and refuses calls, and ends with its last call."""
    DRAINED = "drained"
    """It has no calls any more and was told to leave."""
    ENDING = "ending"
    """It was told to end its calls at once."""
    GONE = "gone"


STEPS: Final[dict[Step, frozenset[Step]]] = {
    Step.STARTING: frozenset({Step.READY, Step.ENDING, Step.GONE}),
    Step.READY: frozenset({Step.RETIRING, Step.DRAINING, Step.ENDING, Step.GONE}),
    Step.RETIRING: frozenset({Step.DRAINED, Step.ENDING, Step.GONE}),
    Step.DRAINING: frozenset({Step.DRAINED, Step.ENDING, Step.GONE}),
    Step.DRAINED: frozenset({Step.ENDING, Step.GONE}),
    Step.ENDING: frozenset({Step.GONE}),
    Step.GONE: frozenset(),
}

SERVING: Final = frozenset({Step.READY, Step.RETIRING, Step.DRAINING})
"""Steps in which a worker runs calls and reports."""

START_TIMEOUT_S: Final = 180.0
"""A worker that is not ready by then is killed, seconds: models and imports take seconds, a machine may be busy."""

SILENCE_S: Final = 60.0
"""A worker that has said nothing for so long hangs, and is killed, seconds: its calls have been silent as long."""

MOST_ATTEMPTS: Final = 5
"""How often in a row workers may die before they are ready, as long as nothing is served."""

_DRAIN_MARGIN_S: Final = 60.0
"""What a worker has beyond its own deadline to end its calls and to say so, seconds."""

_END_S: Final = 45.0
"""What a worker that was told to end has before it is killed, seconds."""

_BAD_SETTINGS: Final = 2
"""Exit code of a worker that cannot run with these settings."""


class Mood(StrEnum):
    """What the server as a whole is doing."""

    OPENING = "opening"
    SERVING = "serving"
    DRAINING = "draining"
    ENDING = "ending"
    OVER = "over"


MOODS: Final[dict[Mood, frozenset[Mood]]] = {
    Mood.OPENING: frozenset({Mood.SERVING, Mood.ENDING, Mood.OVER}),
    Mood.SERVING: frozenset({Mood.DRAINING, Mood.OVER}),
    Mood.DRAINING: frozenset({Mood.ENDING, Mood.OVER}),
    Mood.ENDING: frozenset({Mood.OVER}),
    Mood.OVER: frozenset(),
}


class Order(StrEnum):
    """What a worker is told."""

    RETIRE = "retire"
    DRAIN = "drain"
    END = "end"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker process.

    Attributes:
        id: Its id, which no other worker ever has.
        number: Its place among the workers, from 1.
    """

    id: int
    number: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Give a worker an order."""

    id: int
    order: Order


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a worker's process; `why` is for the log."""

    id: int
    why: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Every worker is ready: say that the server listens."""


@dataclass(frozen=True, slots=True)
class Note:
    """Say something in the log."""

    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """End the supervisor with this exit code; every worker is gone."""

    code: int


Command = Start | Tell | Kill | Announce | Note | Finish


@dataclass(slots=True)
class _Worker:
    id: int
    number: int
    deadline_s: float
    step: Step = Step.STARTING
    ready_s: float | None = None
    heard_s: float = math.inf
    replaces: int | None = None

    def move(self, to: Step) -> None:
        if to not in STEPS[self.step]:
            raise AssertionError(f"a worker cannot move from {self.step} to {to}")
        self.step = to


@dataclass(slots=True)
class _Place:
    back_off: BackOff = field(default_factory=BackOff)
    start_s: float | None = None


class Fleet:
    """The workers of one server.

    Args:
        count: How many there are to be.
        drain_timeout_s: How long a worker lets its calls go on when it drains, seconds.
    """

    def __init__(self, count: int, drain_timeout_s: float) -> None:
        self._drain_timeout_s = drain_timeout_s
        self._places = {number: _Place() for number in range(1, count + 1)}
        self._workers: dict[int, _Worker] = {}
        self._mood = Mood.OPENING
        self._last_id = 0
        self._attempts = 0
        self._exit_code = 0
        self._to_replace: list[int] = []

    @property
    def mood(self) -> Mood:
        """What the server as a whole is doing."""
        return self._mood

    @property
    def workers(self) -> dict[int, Step]:
        """The workers that are not gone, and where each is."""
        return {worker.id: worker.step for worker in self._workers.values()}

    def number_of(self, worker: int) -> int:
        """Return a worker's place among the workers, from 1."""
        return self._workers[worker].number

    def takers(self) -> list[int]:
        """Return the workers that connections may be handed to.

        Those that drain with the whole server are among them, since they answer what is no call.
        """
        return [it.id for it in self._workers.values() if it.step in {Step.READY, Step.DRAINING}]

    # What happened.

    def begin(self, now_s: float) -> list[Command]:
        """Start the first worker.

        The others follow when it is ready, so that a setting that is wrong is told once and the database gets its
        tables from one process.
        """
        return list(self._start(1, now_s))

    def was_ready(self, worker: int, now_s: float) -> list[Command]:
        """A worker takes connections from now on."""
        return list(self._was_ready(self._workers[worker], now_s))

    def heard(self, worker: int, now_s: float) -> None:
        """A worker has said something."""
        self._workers[worker].heard_s = now_s

    def asked_to_leave(self, worker: int, now_s: float) -> list[Command]:
        """A worker was told by somebody else to stop: it is replaced without losing a call."""
        if self._mood is not Mood.SERVING or self._workers[worker].step is not Step.READY:
            return []
        if worker not in self._to_replace:
            self._to_replace.append(worker)
        return list(self._replace_next(now_s))

    def was_drained(self, worker: int, now_s: float) -> list[Command]:
        """A worker has no calls any more."""
        it = self._workers[worker]
        if it.step not in {Step.RETIRING, Step.DRAINING}:
            return []
        it.move(Step.DRAINED)
        it.deadline_s = now_s + _END_S
        return [Tell(worker, Order.LEAVE)]

    def has_exited(self, worker: int, code: int, now_s: float) -> list[Command]:
        """A worker's process has ended, for whatever reason; a negative code is the signal that killed it."""
        return list(self._has_exited(self._workers[worker], code, now_s))

    def reload(self, now_s: float) -> list[Command]:
        """Replace every worker, one after the other."""
        if self._mood is not Mood.SERVING:
            return [Note(f"no rolling restart: the server is {self._mood}")]
        ready = (it.id for it in self._workers.values() if it.step is Step.READY)
        self._to_replace += [worker for worker in ready if worker not in self._to_replace]
        return [Note("rolling restart"), *self._replace_next(now_s)]

    def stop(self, now_s: float) -> list[Command]:
        """Drain, and end at once when told again."""
        return list(self._stop(now_s))

    def tick(self, now_s: float) -> list[Command]:
        """Do what is due at this moment."""
        return list(self._tick(now_s))

    def next_due_s(self) -> float:
        """Return when `tick` has something to do unless something else happens before; infinity for never."""
        starts = (place.start_s for place in self._places.values() if place.start_s is not None)
        ends = (it.deadline_s for it in self._workers.values())
        silences = (it.heard_s + SILENCE_S for it in self._workers.values() if it.step in SERVING)
        return min((*starts, *ends, *silences), default=math.inf)

    # What is to be done.

    def _move(self, to: Mood) -> None:
        if to not in MOODS[self._mood]:
            raise AssertionError(f"a server cannot move from {self._mood} to {to}")
        self._mood = to

    def _start(self, number: int, now_s: float, replaces: int | None = None) -> Iterator[Command]:
        self._last_id += 1
        self._places[number].start_s = None
        self._workers[self._last_id] = _Worker(
            self._last_id, number, deadline_s=now_s + START_TIMEOUT_S, replaces=replaces
        )
        yield Start(self._last_id, number)

    def _was_ready(self, it: _Worker, now_s: float) -> Iterator[Command]:
        if it.step is not Step.STARTING:
            return
        it.move(Step.READY)
        it.ready_s = it.heard_s = now_s
        it.deadline_s = math.inf
        self._attempts = 0
        yield Note(f"worker {it.number} is ready")
        if self._mood is Mood.OPENING:
            for number in self._places:
                if not self._has_holder(number) and self._places[number].start_s is None:
                    yield from self._start(number, now_s)
            if all(self._is_served(number) for number in self._places):
                self._move(Mood.SERVING)
                yield Announce()
        predecessor = self._workers.get(it.replaces) if it.replaces is not None else None
        if predecessor is not None and predecessor.step is Step.READY:
            predecessor.move(Step.RETIRING)
            predecessor.deadline_s = now_s + self._drain_timeout_s + _DRAIN_MARGIN_S
            yield Tell(predecessor.id, Order.RETIRE)
        yield from self._replace_next(now_s)

    def _replace_next(self, now_s: float) -> Iterator[Command]:
        """Start the next successor, unless one is on its way: the machine has its calls to think of."""
        if self._mood is not Mood.SERVING or any(it.step is Step.STARTING for it in self._workers.values()):
            return
        while self._to_replace:
            old = self._workers.get(self._to_replace.pop(0))
            if old is not None and old.step is Step.READY:
                yield from self._start(old.number, now_s, replaces=old.id)
                return

    def _has_exited(self, it: _Worker, code: int, now_s: float) -> Iterator[Command]:
        before = it.step
        it.move(Step.GONE)
        del self._workers[it.id]
        if before not in {Step.DRAINED, Step.ENDING}:
            yield Note(f"worker {it.number} ended {_how(code)}, {before}", bad=True)
        if self._mood in {Mood.DRAINING, Mood.ENDING}:
            yield from self._finish_when_empty()
            return
        if before is Step.STARTING:
            self._attempts += 1
            if it.replaces is not None and it.replaces in self._workers:
                # What serves is better than what does not start.
                self._to_replace.clear()
                yield Note("rolling restart given up: the new worker did not become ready", bad=True)
                return
            if self._is_hopeless(code):
                yield from self._give_up(code, now_s)
                return
        if not self._has_holder(it.number) and self._mood in {Mood.OPENING, Mood.SERVING}:
            served_s = now_s - it.ready_s if it.ready_s is not None else 0.0
            self._places[it.number].start_s = now_s + self._places[it.number].back_off.died(served_s)
            yield from self._tick(now_s)
        yield from self._replace_next(now_s)

    def _is_hopeless(self, code: int) -> bool:
        if self._mood is Mood.OPENING:
            return self._has_tried_enough() or code == _BAD_SETTINGS
        return self._has_tried_enough() and not any(it.step in SERVING for it in self._workers.values())

    def _has_tried_enough(self) -> bool:
        # All of them may have lost something at once that they need to start.
        return self._attempts >= MOST_ATTEMPTS * (1 if self._mood is Mood.OPENING else len(self._places))

    def _give_up(self, code: int, now_s: float) -> Iterator[Command]:
        if self._has_tried_enough():
            yield Note(f"giving up: {self._attempts} workers in a row did not become ready", bad=True)
        self._exit_code = code if code > 0 else 1
        if self._mood is Mood.SERVING:
            self._move(Mood.DRAINING)
        yield from self._end_all(now_s)

    def _stop(self, now_s: float) -> Iterator[Command]:
        if self._mood is not Mood.SERVING:
            if self._mood in {Mood.OPENING, Mood.DRAINING}:
                yield from self._end_all(now_s)
            return
        self._move(Mood.DRAINING)
        self._cancel_starts()
        for it in list(self._workers.values()):
            if it.step is Step.READY:
                it.move(Step.DRAINING)
                it.deadline_s = now_s + self._drain_timeout_s + _DRAIN_MARGIN_S
                yield Tell(it.id, Order.DRAIN)
            elif it.step is Step.STARTING:
                yield from self._end(it, now_s)
        yield from self._finish_when_empty()

    def _end_all(self, now_s: float) -> Iterator[Command]:
        self._move(Mood.ENDING)
        self._cancel_starts()
        for it in list(self._workers.values()):
            yield from self._end(it, now_s)
        yield from self._finish_when_empty()

    def _end(self, it: _Worker, now_s: float) -> Iterator[Command]:
        if it.step is not Step.ENDING:
            it.move(Step.ENDING)
            it.deadline_s = now_s + _END_S
            yield Tell(it.id, Order.END)

    def _cancel_starts(self) -> None:
        self._to_replace.clear()
        for place in self._places.values():
            place.start_s = None

    def _finish_when_empty(self) -> Iterator[Command]:
        if not self._workers:
            self._move(Mood.OVER)
            yield Finish(self._exit_code)

    def _tick(self, now_s: float) -> Iterator[Command]:
        for number, place in self._places.items():
            if place.start_s is not None and now_s >= place.start_s:
                yield from self._start(number, now_s)
        for it in list(self._workers.values()):
            if it.step in SERVING and now_s >= it.heard_s + SILENCE_S:
                it.heard_s = math.inf
                it.deadline_s = now_s + _END_S
                yield Kill(it.id, "hangs")
            elif now_s >= it.deadline_s:
                if it.step in {Step.RETIRING, Step.DRAINING}:
                    yield from self._end(it, now_s)
                else:
                    it.deadline_s = now_s + _END_S
                    yield Kill(it.id, "did not become ready" if it.step is Step.STARTING else "does not end")

    def _has_holder(self, number: int) -> bool:
        holding = {Step.STARTING, Step.READY}
        return any(it.number == number and it.step in holding for it in self._workers.values())

    def _is_served(self, number: int) -> bool:
        return any(it.number == number and it.step is Step.READY for it in self._workers.values())


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with code {code}"
