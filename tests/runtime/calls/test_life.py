from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Conflict
from models.status import TRANSITIONS, AicallStatus
from runtime.calls.life import STEPS, CallLife, Phase, Trigger

S, P, T = AicallStatus, Phase, Trigger

STATUS = {
    P.OPENING: {S.INITIATING},
    P.RUNNING: {S.PROGRESSING},
    P.HELD: {S.PAUSING},
    P.DETACHED: {S.PAUSING},
    P.HELD_DETACHED: {S.PAUSING},
    P.RESUMING: {S.RESUMING},
    P.RESUMING_DETACHED: {S.RESUMING},
    P.ENDING: {S.TERMINATING},
    P.ENDED: {S.TERMINATED},
    P.LOST: set(S),
}
"""What the AIcall's status is in each phase."""

FIRST = [(S.INITIATING, False), (S.PAUSING, False), (S.PAUSING, True), (S.RESUMING, False)]


@given(st.sampled_from(FIRST), st.lists(st.sampled_from(T), max_size=40))
def test_whatever_happens_every_move_is_legal_and_made_once(first: tuple[S, bool], triggers: list[T]) -> None:
    life = CallLife(first[0], held=first[1])
    path = [first[0]]
    for trigger in triggers:
        before = (life.phase, life.status)
        try:
            step = life.move(trigger)
        except Conflict:
            assert (life.phase, life.status) == before
            continue
        path += step.moves
        assert life.status is path[-1]
        assert life.status in STATUS[life.phase]
        assert life.over == (life.phase in {P.ENDING, P.ENDED, P.LOST})
    for source, target in pairwise(path):
        assert target in TRANSITIONS[source]
    assert path.count(S.TERMINATING) <= 1
    assert path.count(S.TERMINATED) <= 1


@given(st.sampled_from(FIRST), st.lists(st.sampled_from(T), max_size=40))
def test_from_anywhere_a_call_can_be_ended_and_then_nothing_more_happens(first: tuple[S, bool], some: list[T]) -> None:
    life = CallLife(first[0], held=first[1])
    for trigger in some:
        if life.may(trigger):
            life.move(trigger)
    for trigger in (T.END, T.RELEASED):
        if life.may(trigger):
            life.move(trigger)
    assert life.phase in {P.ENDED, P.LOST}
    assert not any(life.may(trigger) for trigger in T)


@pytest.mark.parametrize("phase", [*STATUS])
def test_a_phase_agrees_with_every_step_into_it(phase: Phase) -> None:
    for (source, _), step in STEPS.items():
        if step.phase is phase and phase is not P.LOST:
            assert (set(step.moves[-1:]) or STATUS[source]) == STATUS[phase]


def test_a_lost_phone_system_and_a_hold_are_told_apart() -> None:
    life = CallLife(S.INITIATING)
    life.move(T.LISTENS)
    assert life.move(T.PAUSE).moves == (S.PAUSING,)
    assert (life.held, life.detached) == (True, False)
    assert life.move(T.MEDIA_LOST).moves == ()
    assert (life.held, life.detached) == (True, True)
    with pytest.raises(Conflict, match="pausing; its media socket is lost"):
        life.move(T.RESUME)
    assert life.move(T.MEDIA_BACK).moves == ()
    assert life.move(T.RESUME).moves == (S.RESUMING,)
    assert life.move(T.MEDIA_LOST).moves == ()
    assert life.move(T.LISTENS).moves == (S.PROGRESSING, S.PAUSING)
    assert (life.held, life.detached) == (False, True)
    assert life.move(T.MEDIA_BACK).moves == (S.RESUMING,)
    assert life.move(T.LISTENS).moves == (S.PROGRESSING,)


@pytest.mark.parametrize("status", [S.PROGRESSING, S.TERMINATING, S.TERMINATED])
def test_nobody_takes_a_call_that_is_connected_or_over(status: AicallStatus) -> None:
    with pytest.raises(Conflict, match=status):
        CallLife(status)
