"""What a member needs is looked up by its id."""

import pytest

from pipelines.failover.failures import Seat
from pipelines.team.plan import CallTeam, SeatPlan
from tests.pipelines.team.benches import Cast
from tests.pipelines.team.test_handover import DESK, DESK_SCRIPT, DOCTOR, TO_DOCTOR, Bench


def test_who_has_the_call_at_first() -> None:
    member = Bench().member(DESK, "Desk", DESK_SCRIPT, TO_DOCTOR)
    assert CallTeam({DESK: member}, DESK).current is member
    with pytest.raises(KeyError):
        _ = CallTeam({DESK: member}, DOCTOR).current


def test_nothing_is_made_by_planning() -> None:
    cast = Cast(Seat.LLM)
    plan: SeatPlan = cast.plan("a")
    assert (plan.key, plan.provider) == ("a", "a")
    assert cast.made == {}
