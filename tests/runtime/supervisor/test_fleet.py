from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.supervisor.backoff import STABLE_S
from runtime.supervisor.fleet import (
    MOODS,
    MOST_ATTEMPTS,
    SERVING,
    SILENCE_S,
    START_TIMEOUT_S,
    STEPS,
    Announce,
    Command,
    Finish,
    Fleet,
    Kill,
    Mood,
    Note,
    Order,
    Start,
    Step,
    Tell,
)

DRAIN_S = 600.0


def acts(commands: list[Command]) -> list[Command]:
    """What is to be done, without what is only said."""
    return [it for it in commands if not isinstance(it, Note)]


def notes(commands: list[Command]) -> str:
    return "\n".join(it.text for it in commands if isinstance(it, Note))


def serving(count: int = 2) -> Fleet:
    """A fleet whose workers 1 to `count` are ready since the moment 0."""
    fleet = Fleet(count, DRAIN_S)
    assert acts(fleet.begin(0.0)) == [Start(1, 1)]
    assert fleet.mood is Mood.OPENING
    others = [Start(number, number) for number in range(2, count + 1)]
    assert acts(fleet.was_ready(1, 0.0)) == (others or [Announce()])
    for number in range(2, count + 1):
        assert acts(fleet.was_ready(number, 0.0)) == ([Announce()] if number == count else [])
    assert fleet.mood is Mood.SERVING
    return fleet


def test_it_listens_when_all_are_ready() -> None:
    assert serving(1).takers() == [1]
    assert serving(4).takers() == [1, 2, 3, 4]


def test_a_setting_that_is_wrong_is_told_once() -> None:
    fleet = Fleet(3, DRAIN_S)
    fleet.begin(0.0)
    assert acts(fleet.has_exited(1, 2, 1.0)) == [Finish(2)]
    assert fleet.mood is Mood.OVER


@pytest.mark.parametrize("code", [1, -9])
def test_workers_that_never_become_ready_are_given_up(code: int) -> None:
    fleet = Fleet(3, DRAIN_S)
    fleet.begin(0.0)
    now_s = 0.0
    for attempt in range(1, MOST_ATTEMPTS):
        commands = acts(fleet.has_exited(attempt, code, now_s))
        if attempt > 1:
            assert commands == []
            due_s = fleet.next_due_s()
            assert due_s > now_s
            assert fleet.tick(due_s - 0.01) == []
            now_s = due_s
            commands = acts(fleet.tick(now_s))
        assert commands == [Start(attempt + 1, 1)]
    commands = fleet.has_exited(MOST_ATTEMPTS, code, now_s)
    assert acts(commands) == [Finish(1)]
    assert "giving up" in notes(commands)


def test_the_others_must_become_ready_too() -> None:
    fleet = Fleet(2, DRAIN_S)
    fleet.begin(0.0)
    fleet.was_ready(1, 0.0)
    now_s, last = 0.0, 2
    for _ in range(MOST_ATTEMPTS - 1):
        commands = acts(fleet.has_exited(last, 1, now_s))
        if not commands:
            now_s = fleet.next_due_s()
            commands = acts(fleet.tick(now_s))
        last += 1
        assert commands == [Start(last, 2)]
    assert acts(fleet.has_exited(last, 1, now_s)) == [Tell(1, Order.END)]
    assert acts(fleet.has_exited(1, 0, now_s)) == [Finish(1)]


def test_a_dead_worker_is_replaced_at_once_and_then_more_slowly() -> None:
    fleet = serving()
    commands = fleet.has_exited(1, -11, 5.0)
    assert acts(commands) == [Start(3, 1)]
    assert "signal 11" in notes(commands)
    assert fleet.takers() == [2]
    assert acts(fleet.was_ready(3, 6.0)) == []
    assert acts(fleet.has_exited(3, 1, 7.0)) == []
    assert fleet.next_due_s() == 8.0
    assert acts(fleet.tick(8.0)) == [Start(4, 1)]
    fleet.was_ready(4, 9.0)
    fleet.heard(2, 10.0)
    assert acts(fleet.has_exited(4, 1, 9.0 + STABLE_S)) == [Start(5, 1)]


def test_a_worker_that_does_not_become_ready_is_killed() -> None:
    fleet = Fleet(1, DRAIN_S)
    fleet.begin(0.0)
    assert fleet.next_due_s() == START_TIMEOUT_S
    [kill] = acts(fleet.tick(START_TIMEOUT_S))
    assert isinstance(kill, Kill)
    assert kill.id == 1


def test_a_worker_that_hangs_is_killed_once() -> None:
    fleet = serving()
    fleet.heard(2, 30.0)
    assert fleet.tick(SILENCE_S - 1) == []
    [kill] = acts(fleet.tick(SILENCE_S))
    assert isinstance(kill, Kill)
    assert kill.id == 1
    assert fleet.tick(SILENCE_S + 1) == []
    assert acts(fleet.has_exited(1, -9, SILENCE_S + 2)) == [Start(3, 1)]


def test_a_drain_ends_with_the_last_worker() -> None:
    fleet = serving()
    assert acts(fleet.stop(10.0)) == [Tell(1, Order.DRAIN), Tell(2, Order.DRAIN)]
    # They still answer what is no call.
    assert fleet.takers() == [1, 2]
    assert acts(fleet.was_drained(1, 11.0)) == [Tell(1, Order.LEAVE)]
    assert fleet.takers() == [2]
    assert fleet.has_exited(1, 0, 12.0) == []
    assert acts(fleet.was_drained(2, 13.0)) == [Tell(2, Order.LEAVE)]
    assert fleet.takers() == []
    assert acts(fleet.has_exited(2, 0, 14.0)) == [Finish(0)]


def test_nobody_is_replaced_in_a_drain() -> None:
    fleet = serving()
    fleet.stop(10.0)
    assert acts(fleet.has_exited(1, -9, 11.0)) == []
    assert acts(fleet.tick(1e6)) != [Start(3, 1)]


def test_the_second_signal_ends_calls_and_the_deadline_kills() -> None:
    fleet = serving()
    fleet.stop(10.0)
    assert acts(fleet.stop(11.0)) == [Tell(1, Order.END), Tell(2, Order.END)]
    assert fleet.stop(12.0) == []
    assert fleet.takers() == []
    kills = acts(fleet.tick(fleet.next_due_s()))
    assert [it.id for it in kills if isinstance(it, Kill)] == [1, 2]
    fleet.has_exited(1, -9, 100.0)
    assert acts(fleet.has_exited(2, -9, 100.0)) == [Finish(0)]


def test_a_drain_that_takes_too_long_is_ended() -> None:
    fleet = serving(1)
    fleet.stop(0.0)
    for now_s in range(0, 1000, 10):
        fleet.heard(1, float(now_s))
        if commands := acts(fleet.tick(float(now_s))):
            break
    assert now_s > DRAIN_S
    assert commands == [Tell(1, Order.END)]


def test_a_signal_while_it_starts_ends_it() -> None:
    fleet = Fleet(2, DRAIN_S)
    fleet.begin(0.0)
    fleet.was_ready(1, 0.0)
    assert acts(fleet.stop(1.0)) == [Tell(1, Order.END), Tell(2, Order.END)]
    # It became ready before it was told.
    assert acts(fleet.was_ready(2, 1.1)) == []
    fleet.has_exited(2, 0, 1.2)
    assert acts(fleet.has_exited(1, 0, 1.3)) == [Finish(0)]


def test_a_rolling_restart_replaces_one_after_the_other() -> None:
    fleet = serving(2)
    assert acts(fleet.reload(10.0)) == [Start(3, 1)]
    assert fleet.takers() == [1, 2]
    assert acts(fleet.was_ready(3, 11.0)) == [Tell(1, Order.RETIRE), Start(4, 2)]
    assert sorted(fleet.takers()) == [2, 3]
    assert fleet.number_of(3) == fleet.number_of(1) == 1
    assert acts(fleet.was_ready(4, 12.0)) == [Tell(2, Order.RETIRE)]
    assert acts(fleet.was_drained(1, 13.0)) == [Tell(1, Order.LEAVE)]
    assert acts(fleet.has_exited(1, 0, 14.0)) == []
    # One that dies while it drains is no loss for those who call now.
    assert acts(fleet.has_exited(2, -9, 14.0)) == []
    assert sorted(fleet.takers()) == [3, 4]


def test_a_new_worker_that_does_not_start_leaves_the_old_ones_alone() -> None:
    fleet = serving(2)
    fleet.reload(10.0)
    commands = fleet.has_exited(3, 2, 11.0)
    assert acts(commands) == []
    assert "rolling restart given up" in notes(commands)
    assert fleet.takers() == [1, 2]
    assert math.isfinite(fleet.next_due_s())
    assert acts(fleet.reload(12.0)) == [Start(4, 1)]


def test_an_old_worker_may_die_while_its_successor_starts() -> None:
    fleet = serving(1)
    assert acts(fleet.reload(10.0)) == [Start(2, 1)]
    assert acts(fleet.has_exited(1, -9, 11.0)) == []
    assert acts(fleet.was_ready(2, 12.0)) == []
    assert fleet.takers() == [2]


def test_a_worker_that_somebody_stops_is_replaced_first() -> None:
    fleet = serving(2)
    assert acts(fleet.asked_to_leave(2, 10.0)) == [Start(3, 2)]
    assert acts(fleet.asked_to_leave(2, 10.1)) == []
    assert acts(fleet.was_ready(3, 11.0)) == [Tell(2, Order.RETIRE)]
    fleet.stop(12.0)
    assert fleet.asked_to_leave(1, 13.0) == []


def test_a_drain_overtakes_a_rolling_restart() -> None:
    fleet = serving(2)
    fleet.reload(10.0)
    assert acts(fleet.stop(11.0)) == [Tell(1, Order.DRAIN), Tell(2, Order.DRAIN), Tell(3, Order.END)]
    assert "no rolling restart" in notes(fleet.reload(12.0))
    for worker in (3, 1):
        assert acts(fleet.has_exited(worker, 0, 13.0)) == []
    assert acts(fleet.has_exited(2, 0, 13.0)) == [Finish(0)]


@pytest.mark.parametrize("table", [STEPS, MOODS])
def test_every_state_can_be_reached_and_left(table: dict[str, frozenset[str]]) -> None:
    states = list(table)
    assert {it for moves in table.values() for it in moves} == set(states[1:])
    assert [it for it in states if not table[it]] == [states[-1]]


class Played:
    """Worker processes that do as they are told, or whatever else occurs to them.

    Watches that nothing ever happens that must not.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.fleet = Fleet(count, DRAIN_S)
        self.now_s = 0.0
        self.alive: dict[int, int] = {}
        self.told: dict[int, list[Order]] = {}
        self.announced = 0
        self.finished: list[int] = []
        self.started: set[int] = set()
        self.do(self.fleet.begin(0.0))

    def do(self, commands: list[Command]) -> None:
        for command in commands:
            assert not self.finished
            match command:
                case Start(worker, number):
                    assert worker not in self.started
                    assert 1 <= number <= self.count
                    assert self.fleet.mood in {Mood.OPENING, Mood.SERVING}
                    self.started.add(worker)
                    self.alive[worker] = number
                    self.told[worker] = []
                case Tell(worker, order):
                    assert worker in self.alive
                    assert order not in self.told[worker]
                    assert Order.END not in self.told[worker]
                    self.told[worker].append(order)
                case Kill(worker):
                    assert worker in self.alive
                case Announce():
                    self.announced += 1
                    assert len(self.fleet.takers()) >= self.count
                case Finish(code):
                    assert not self.alive
                    self.finished.append(code)
        self.check()

    def check(self) -> None:
        fleet = self.fleet
        assert self.announced <= 1
        assert set(fleet.workers) == set(self.alive)
        assert (fleet.mood is Mood.OVER) == bool(self.finished) or not self.alive
        for worker in fleet.takers():
            assert not {Order.RETIRE, Order.LEAVE, Order.END} & set(self.told[worker])
        if fleet.mood is Mood.SERVING:
            starting = list(fleet.workers.values()).count(Step.STARTING)
            ready = list(fleet.workers.values()).count(Step.READY)
            # At most one more than there ought to be of those that take calls.
            assert ready <= self.count
            assert ready + starting <= self.count + 1
            # Whoever is missing is on its way.
            assert ready + starting >= self.count or math.isfinite(fleet.next_due_s())

    def options(self) -> Iterator[tuple[str, int]]:
        for worker, step in self.fleet.workers.items():
            if step is Step.STARTING:
                yield "ready", worker
            if step in SERVING:
                yield "heard", worker
                yield "leaving", worker
            if step in {Step.RETIRING, Step.DRAINING}:
                yield "drained", worker
            yield "died", worker
            if {Order.LEAVE, Order.END} & set(self.told[worker]):
                yield "left", worker
        yield "tick", 0
        yield "wait", 0
        yield "reload", 0
        yield "stop", 0

    def play(self, what: str, worker: int) -> None:
        fleet, now_s = self.fleet, self.now_s
        match what:
            case "ready":
                self.do(fleet.was_ready(worker, now_s))
            case "heard":
                fleet.heard(worker, now_s)
            case "leaving":
                self.do(fleet.asked_to_leave(worker, now_s))
            case "drained":
                self.do(fleet.was_drained(worker, now_s))
            case "died" | "left":
                del self.alive[worker]
                self.do(fleet.has_exited(worker, 0 if what == "left" else -9, now_s))
            case "tick":
                self.do(fleet.tick(now_s))
            case "wait":
                self.now_s = max(self.now_s, fleet.next_due_s() if math.isfinite(fleet.next_due_s()) else 0.0)
            case "reload":
                self.do(fleet.reload(now_s))
            case "stop":
                self.do(fleet.stop(now_s))


@settings(max_examples=300)
@given(st.integers(1, 4), st.lists(st.integers(0, 10_000), max_size=120))
def test_whatever_happens_in_whatever_order(count: int, choices: list[int]) -> None:
    played = Played(count)
    for choice in choices:
        if played.finished:
            break
        options = [it for it in played.options() if it[0] != "stop" or choice % 7 == 0]
        played.play(*options[choice % len(options)])
        played.now_s += 0.5
    # Told to stop, it ends, whatever it was in the middle of: nothing it waits for comes any more.
    for _ in range(2):
        if not played.finished:
            played.do(played.fleet.stop(played.now_s))
    for worker in list(played.alive):
        if not played.finished:
            played.play("died", worker)
    assert len(played.finished) == 1
    assert played.alive == {}
