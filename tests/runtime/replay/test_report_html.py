from __future__ import annotations

import pytest

from runtime.replay.record import CallRecord, FailureKind
from runtime.replay.report import report_of
from runtime.replay.report_html import report_page
from runtime.replay.thresholds import judge, parse_rule
from tests.runtime.replay.pages import Page
from tests.runtime.replay.runs import answered, failed, record, run, watched


def test_a_page_holds_figures_histograms_and_calls() -> None:
    text = report_page(run(record(0), record(1)))
    page = Page(text)
    assert page.addresses == []
    assert page.count("script") == 0
    assert "all calls ok" in page.text
    assert "voice to voice" in page.text
    assert "p95 400" in page.text
    assert sum(attributes.get("class") == "strip" for _, attributes in page.elements) == 2
    assert sum(attributes.get("class") == "bar" for _, attributes in page.elements) >= 6
    assert "s3cret" not in text


def test_failures_are_told_and_escaped() -> None:
    page = Page(report_page(run(record(0), failed(1, FailureKind.REFUSED, "HTTP 403: <script>no</script>"))))
    assert "1 of 2 calls failed, refused: HTTP 403: <script>no</script> (call 2)" in page.text
    assert page.count("script") == 0


@pytest.mark.parametrize("records", [[], [failed(0, FailureKind.UNREACHABLE, "refused")], [CallRecord()]])
def test_a_run_without_any_figure_still_makes_a_page(records: list[CallRecord]) -> None:
    assert "Percentiles" in Page(report_page(run(*records))).text


def test_equal_values_make_a_histogram_too() -> None:
    assert "p50 5" in Page(report_page(run(*(record(index, setup_ms=5.0) for index in range(3))))).text


def test_many_calls_are_not_all_drawn() -> None:
    page = Page(report_page(run(*(record(index) for index in range(203)))))
    assert "3 more calls" in page.text


def test_plots_answers_and_thresholds_are_shown() -> None:
    whole = watched(answered(run(record(0), record(1))))
    verdicts = judge([parse_rule("v2v_p95_ms>399"), parse_rule("failed>0")], report_of(whole))
    page = Page(report_page(whole, verdicts))
    classes = [attributes.get("class") for _, attributes in page.elements]
    assert classes.count("point first") == 2
    assert classes.count("point second") == 2
    assert sum(name == "polyline" for name, _ in page.elements) == 3
    assert "threshold v2v_p95_ms>399: v2v_p95_ms is 400" in page.text
    assert "failed>0 0 ok" in page.text
    assert "1 of 2 are what was expected" in page.text
    assert "hello.wav: heard 1 times" in page.text
    assert page.addresses == []
