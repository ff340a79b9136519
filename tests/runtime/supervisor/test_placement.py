from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.supervisor.placement import Candidate, Load, place

LOADS = st.builds(
    Load,
    calls=st.integers(0, 50),
    free=st.one_of(st.just(math.inf), st.floats(0, 60)),
    undecided=st.integers(0, 5),
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(1, 9),
        load=LOADS,
        unreceived=st.integers(0, 5),
        stalled=st.booleans(),
        turn=st.integers(0, 99),
    ),
    max_size=6,
    unique_by=lambda it: it.id,
)


def test_nobody_to_choose() -> None:
    assert place([]) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Candidate(1, Load(calls=3, free=2)), Candidate(2, Load(calls=5, free=4))),
        (Candidate(1, Load(free=5), unreceived=2), Candidate(2, Load(free=4))),
        (Candidate(1, Load(free=5, undecided=2)), Candidate(2, Load(free=4))),
        (Candidate(1, Load(calls=2)), Candidate(2, Load(calls=1))),
        (Candidate(1, Load(calls=2, free=30)), Candidate(2, Load(calls=9))),
        # A fraction of a place is none; then the one that was served longer ago.
        (Candidate(1, Load(free=5.9), turn=8), Candidate(2, Load(free=5.1), turn=7)),
        # A worker that may hang is worse than one that is full.
        (Candidate(1, Load(free=9), stalled=True), Candidate(2, Load(free=0))),
    ],
)
def test_the_second_is_better(first: Candidate, second: Candidate) -> None:
    assert place([first, second]) == place([second, first]) == 2


def test_a_burst_is_spread_before_anybody_reports() -> None:
    handed = {1: 0, 2: 0, 3: 0}
    free = {1: 10, 2: 4, 3: 7}
    for turn in range(21):
        chosen = place(Candidate(it, Load(free=free[it]), handed[it], turn=turn) for it in handed)
        assert chosen is not None
        handed[chosen] += 1
    assert handed == free


@given(CANDIDATES)
def test_nobody_is_sent_to_a_full_worker_while_another_has_room(candidates: list[Candidate]) -> None:
    def room(it: Candidate) -> float:
        return it.load.free - it.unreceived - it.load.undecided

    chosen = place(candidates)
    assert (chosen is None) == (not candidates)
    if any(room(it) >= 1 and not it.stalled for it in candidates):
        [found] = [it for it in candidates if it.id == chosen]
        assert room(found) > 0
        assert not found.stalled
