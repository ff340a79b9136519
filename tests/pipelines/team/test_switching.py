"""Who has the call: every sequence of steps, and those that are refused."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.team.switching import MOST_IN_A_ROW, TRANSITIONS, IllegalStep, Phase, Refusal, Step, Switching

A, B, C = MEMBERS = [UUID(int=number) for number in (1, 2, 3)]


@pytest.fixture
def switching() -> Switching:
    return Switching(A)


def test_a_call_is_handed_over(switching: Switching) -> None:
    assert switching.ask(A, B) is None
    assert (switching.current, switching.target) == (A, B)
    switching.arrive()
    assert (switching.current, switching.target) == (B, None)


def test_what_is_abandoned_leaves_it_where_it_was(switching: Switching) -> None:
    switching.ask(A, B)
    switching.abandon()
    assert (switching.current, switching.target) == (A, None)
    assert switching.ask(A, C) is None


def test_one_at_a_time(switching: Switching) -> None:
    switching.ask(A, B)
    assert switching.ask(A, C) is Refusal.UNDER_WAY
    assert switching.target == B


def test_only_who_has_the_call_hands_it_over(switching: Switching) -> None:
    assert switching.ask(B, C) is Refusal.NOT_YOURS


def test_a_loop_is_stopped_until_the_caller_speaks(switching: Switching) -> None:
    for _ in range(MOST_IN_A_ROW):
        assert switching.ask(switching.current, B if switching.current == A else A) is None
        switching.arrive()
    assert switching.ask(switching.current, C) is Refusal.LOOP
    switching.caller_spoke()
    assert switching.ask(switching.current, C) is None


def test_what_is_abandoned_does_not_count(switching: Switching) -> None:
    for _ in range(3 * MOST_IN_A_ROW):
        assert switching.ask(A, B) is None
        switching.abandon()


@pytest.mark.parametrize("step", [Step.ARRIVE, Step.ABANDON])
def test_no_step_that_the_table_does_not_list(switching: Switching, step: Step) -> None:
    assert (Phase.SETTLED, step) not in TRANSITIONS
    with pytest.raises(IllegalStep):
        switching.arrive() if step is Step.ARRIVE else switching.abandon()
    assert (switching.phase, switching.current) == (Phase.SETTLED, A)


class Calls(RuleBasedStateMachine):
    """Any sequence of what members, services and callers do, against the simplest model of it."""

    def __init__(self) -> None:
        super().__init__()
        self.switching = Switching(A, most_in_a_row=2)
        self.has_it = A
        self.wanted: UUID | None = None
        self.in_a_row = 0

    @rule(asks=st.sampled_from(MEMBERS), next_one=st.sampled_from(MEMBERS))
    def ask(self, asks: UUID, next_one: UUID) -> None:
        refusal = self.switching.ask(asks, next_one)
        if self.wanted is not None:
            assert refusal is Refusal.UNDER_WAY
        elif asks != self.has_it:
            assert refusal is Refusal.NOT_YOURS
        elif self.in_a_row == 2:
            assert refusal is Refusal.LOOP
        else:
            assert refusal is None
            self.wanted = next_one

    @precondition(lambda self: self.wanted is not None)
    @rule()
    def arrive(self) -> None:
        self.switching.arrive()
        assert self.wanted is not None
        self.has_it, self.wanted = self.wanted, None
        self.in_a_row += 1

    @precondition(lambda self: self.wanted is not None)
    @rule()
    def abandon(self) -> None:
        self.switching.abandon()
        self.wanted = None

    @precondition(lambda self: self.wanted is None)
    @rule(step=st.sampled_from([Step.ARRIVE, Step.ABANDON]))
    def out_of_turn(self, step: Step) -> None:
        with pytest.raises(IllegalStep):
            self.switching.arrive() if step is Step.ARRIVE else self.switching.abandon()

    @rule()
    def caller_speaks(self) -> None:
        self.switching.caller_spoke()
        self.in_a_row = 0

    @invariant()
    def exactly_one_member_has_the_call(self) -> None:
        assert self.switching.current == self.has_it
        assert self.switching.target == self.wanted
        assert (self.switching.phase is Phase.PREPARING) == (self.wanted is not None)
        assert self.in_a_row <= 2


TestCalls = Calls.TestCase
