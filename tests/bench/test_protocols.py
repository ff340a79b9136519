"""The comparison of the protocols' costs: that it measures every protocol, both ways, and against Twilio's."""

from __future__ import annotations

from adapters.media.registry import PROTOCOLS
from bench.protocols import REFERENCE, Cost, compare, measure, table
from tests.adapters.media.pairs import SETTINGS


def test_every_protocol_is_measured_both_ways() -> None:
    figures = compare(SETTINGS, rounds=1, seconds=1)
    assert list(figures) == [setting.wire.id for setting in SETTINGS]
    assert {setting.row.name for setting in SETTINGS} == set(PROTOCOLS)
    assert all(it["in_us"] > 0 and it["out_us"] > 0 for it in figures.values())
    assert figures[REFERENCE]["ratio"] == 1.0
    assert len(table(figures).splitlines()) == 2 + len(figures)


def test_what_is_measured_carries_audio() -> None:
    [twilio] = [setting for setting in SETTINGS if setting.wire.id == REFERENCE]
    cost = measure(twilio, 1)
    assert cost.both_us == cost.in_us + cost.out_us
    assert Cost(1.0, 2.0).both_us == 3.0
