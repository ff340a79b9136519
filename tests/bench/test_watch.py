from dataclasses import replace

import pytest

from bench.watch import Books, foreign_pct

FIRST = Books(
    at_s=100.0, server_core_s=50.0, callers_core_s=40.0, server_s=10.0, callers_s=5.0, stand_ins_s=3.0, rss_mb=1.0
)
LAST = Books(
    at_s=110.0, server_core_s=58.0, callers_core_s=45.0, server_s=17.0, callers_s=8.0, stand_ins_s=4.5, rss_mb=1.0
)


def test_what_nobody_of_ours_took_was_taken_by_others() -> None:
    # On the server's core 8 s busy and 7 s ours; on the callers' 5 s busy and 4.5 s ours.
    assert foreign_pct(FIRST, LAST) == pytest.approx(10.0)


def test_the_worse_core_counts() -> None:
    assert foreign_pct(FIRST, replace(LAST, callers_core_s=48.0)) == pytest.approx(35.0)


def test_rounding_never_makes_it_negative() -> None:
    assert foreign_pct(FIRST, replace(LAST, server_core_s=56.9, callers_core_s=44.4)) == 0.0


def test_unpinned_processes_have_no_core_of_their_own() -> None:
    assert foreign_pct(replace(FIRST, server_core_s=None), LAST) is None


def test_no_time_has_no_share() -> None:
    assert foreign_pct(FIRST, FIRST) is None
