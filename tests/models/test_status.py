from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import IllegalTransition
from models.status import TRANSITIONS, AicallStatus, is_final, transition
from tests.models.seeds import STATUSES

LEGAL = {
    ("initiating", "progressing"),
    ("progressing", "pausing"),
    ("pausing", "resuming"),
    ("resuming", "progressing"),
    ("initiating", "terminating"),
    ("progressing", "terminating"),
    ("pausing", "terminating"),
    ("resuming", "terminating"),
    ("terminating", "terminated"),
}
"""Design section 4."""


def test_statuses_are_the_seeds() -> None:
    assert tuple(AicallStatus) == STATUSES


@pytest.mark.parametrize(("source", "target"), [*product(AicallStatus, AicallStatus)])
def test_every_move(source: AicallStatus, target: AicallStatus) -> None:
    if (source, target) in LEGAL:
        assert transition(source, target) is target
        return
    with pytest.raises(IllegalTransition) as caught:
        transition(source, target)
    assert (caught.value.source, caught.value.target) == (source, target)


def test_only_terminated_is_final() -> None:
    assert [status for status in AicallStatus if is_final(status)] == ["terminated"]


@given(st.lists(st.integers(min_value=0), max_size=40))
def test_every_walk_can_still_end(choices: list[int]) -> None:
    status, walked = AicallStatus.INITIATING, [AicallStatus.INITIATING]
    for choice in choices:
        moves = sorted(TRANSITIONS[status])
        if not moves:
            break
        status = transition(status, moves[choice % len(moves)])
        walked.append(status)
    if status is AicallStatus.TERMINATED:
        assert walked[-2] is AicallStatus.TERMINATING
    elif status is not AicallStatus.TERMINATING:
        status = transition(status, AicallStatus.TERMINATING)
    assert is_final(status) or transition(status, AicallStatus.TERMINATED) is AicallStatus.TERMINATED
    # Speech never flows before the first progressing, nor after the end.
    assert walked.count(AicallStatus.TERMINATED) <= 1
    assert walked.count(AicallStatus.INITIATING) == 1
