import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.failover.failures import FailureCounter, Seat

TOLERATED = {Seat.STT: 3, Seat.LLM: 1, Seat.TTS: 1}


@pytest.mark.parametrize("seat", Seat)
def test_a_seat_may_fail_so_often_in_a_row(seat: Seat) -> None:
    counter = FailureCounter()
    for _ in range(TOLERATED[seat]):
        assert not counter.failed(seat, permanent=False)
    assert counter.failed(seat, permanent=False)


@pytest.mark.parametrize("seat", Seat)
def test_a_failure_that_will_not_pass_ends_the_call(seat: Seat) -> None:
    assert FailureCounter().failed(seat, permanent=True)


@given(st.lists(st.tuples(st.sampled_from(Seat), st.booleans()), max_size=40))
def test_only_failures_in_a_row_count(events: list[tuple[Seat, bool]]) -> None:
    counter, row = FailureCounter(), dict.fromkeys(Seat, 0)
    for seat, works in events:
        if works:
            counter.worked(seat)
            row[seat] = 0
        else:
            row[seat] += 1
            assert counter.failed(seat, permanent=False) == (row[seat] > TOLERATED[seat])
