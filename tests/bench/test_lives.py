from __future__ import annotations

from pathlib import Path

import pytest

from bench.lives import Figures, run


@pytest.mark.timeout(900)
def test_a_hundred_and_twenty_lives_leave_nothing_stuck_illegal_lost_or_twice(tmp_path: Path) -> None:
    figures = run(120, 7, tmp_path)
    assert (figures.stuck, figures.illegal, figures.lost, figures.twice) == (0, 0, 0, 0)
    assert figures.moves["terminated"] == 120
    # The faults are there: what did not happen proves nothing.
    assert figures.moves["resuming"] > 10
    assert figures.faults["processes killed"] > 0
    assert figures.faults["answers of the store lost"] > 0
    assert {"hangup", "terminate", "expired"} <= figures.ends.keys()


def test_what_went_wrong_is_no_good_result() -> None:
    fine = Figures(1, 0, 0, 0, 0, 1.0, 1.0, {}, {}, {})
    assert fine.good
    for name in ("stuck", "illegal", "lost", "twice"):
        assert not Figures(**{**vars(fine), name: 1}).good
