from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plot import nice_top, panels, plot
from bench.scenario import System
from bench.steps import Step

STEPS = {
    System.RECIPE: [
        Step(1, v2v_p50_ms=280.0, v2v_p95_ms=350.0, cpu_per_call_pct=8.0, lateness_p99_ms=1.0, rss_mb=200.0),
        Step(8, failed=1, v2v_p95_ms=900.0, cpu_per_call_pct=9.0),
    ],
    System.OURS: [
        Step(calls, v2v_p50_ms=260.0, v2v_p95_ms=300.0, cpu_per_call_pct=2.0, lateness_p99_ms=0.0, rss_mb=250.0)
        for calls in (1, 8, 60)
    ],
}


def test_the_panels_show_what_was_measured_and_no_failed_step() -> None:
    shown = {panel.title: panel for panel in panels(STEPS)}
    processor = shown["processor per call, % of a core"]
    assert [line.points for line in processor.lines] == [[(1.0, 8.0)], [(1.0, 2.0), (8.0, 2.0), (60.0, 2.0)]]
    latency = shown["voice to voice beyond the VAD window, ms"]
    assert [(line.name, line.dashed) for line in latency.lines] == [("p95", False)] * 2 + [("p50", True)] * 2
    assert latency.lines[1].points[0] == (1.0, 100.0)


def test_the_plot_is_well_formed_and_stays_within_its_panels() -> None:
    root = ET.fromstring(plot(STEPS, {System.RECIPE: 1, System.OURS: 60}))
    circles = [it for it in root.iter() if it.tag.endswith("circle")]
    assert len(circles) == 5 * (1 + 3)
    assert all(0 <= float(it.attrib["cx"]) <= 360 and 0 <= float(it.attrib["cy"]) <= 240 for it in circles)
    assert sum(it.attrib.get("stroke-dasharray") == "1 4" for it in root.iter()) == 4 * 2
    texts = [it.text for it in root.iter() if it.tag.endswith("text")]
    assert {"upstream's recipe", "this runtime", "60"} <= set(texts)


def test_a_plot_of_nothing_is_well_formed() -> None:
    ET.fromstring(plot({system: [] for system in System}, {}))


@pytest.mark.parametrize(("highest", "top"), [(0.0, 1.0), (4.9, 5.0), (5.0, 5.0), (5.1, 10.0), (60, 100.0)])
def test_axes_end_at_round_numbers(highest: float, top: float) -> None:
    assert nice_top(highest) == pytest.approx(top)


@given(st.floats(1e-3, 1e6))
def test_an_axis_reaches_its_highest_value_without_much_air(highest: float) -> None:
    assert highest * 0.999 <= nice_top(highest) <= highest * 2.6
