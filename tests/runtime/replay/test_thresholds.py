from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidField
from runtime.replay.record import FailureKind
from runtime.replay.report import report_of
from runtime.replay.thresholds import METRICS, Rule, Verdict, judge, metrics_of, parse_rule
from tests.runtime.replay.runs import answered, failed, record, run, watched


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("v2v_p95_ms>500", Rule("v2v_p95_ms", ">", 500)),
        (" failed_percent >= 0.5 ", Rule("failed_percent", ">=", 0.5)),
        ("v2v_count<10", Rule("v2v_count", "<", 10)),
        ("barge_ins_ignored != 0", Rule("barge_ins_ignored", "!=", 0)),
        ("v2v_min_ms<=-1", Rule("v2v_min_ms", "<=", -1)),
        ("late_count==0", Rule("late_count", "==", 0)),
    ],
)
def test_rules_are_read(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["", "v2v_p95_ms", "v2v_p95_ms>", "> 5", "v2v_p95_ms>5ms", "v2v_p95_ms=5", "a>1>2"])
def test_what_is_no_rule_is_told(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_rule(text)
    assert caught.value.field == "fail-if"
    assert "v2v_p95_ms>500" in caught.value.message


def test_an_unknown_metric_is_named_with_those_like_it() -> None:
    with pytest.raises(InvalidField) as caught:
        parse_rule("v2v_p59_ms>500")
    assert "unknown metric 'v2v_p59_ms'" in caught.value.message
    assert "v2v_p95_ms" in caught.value.message


@given(st.sampled_from(sorted(METRICS)), st.sampled_from([">", ">=", "<", "<=", "==", "!="]), st.integers(-999, 9999))
def test_every_rule_reads_as_it_is_written(metric: str, comparison: str, limit: int) -> None:
    rule = Rule(metric, comparison, limit)
    assert parse_rule(str(rule)) == rule


@given(st.text(max_size=30))
def test_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(InvalidField):
        assert parse_rule(text).metric in METRICS


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("v2v_p95_ms>399", True),
        ("v2v_p95_ms>400", False),
        ("v2v_p95_ms>=400", True),
        ("v2v_p50_ms<300", False),
        ("v2v_p50_ms<=300", True),
        ("v2v_count==4", True),
        ("v2v_count!=4", False),
        ("failed>0", False),
        ("gaps_max_ms>44", True),
        ("late_percent>0.4", False),
        ("late_percent>=0.4", True),
        ("barge_in_stop_p95_ms>239", True),
        ("lead_max_ms>59", True),
        ("harness_lag_p99_ms>1.4", True),
        ("harness_lag_p99_ms>1.5", False),
    ],
)
def test_rules_are_held_against_the_report(text: str, fails: bool) -> None:
    (verdict,) = judge([parse_rule(text)], report_of(run(record(0), record(1))))
    assert verdict.failed is fails


def test_failed_calls_are_metrics() -> None:
    values = metrics_of(report_of(run(record(0), failed(1, FailureKind.REFUSED, ""), record(2), record(3))))
    assert (values["failed"], values["failed_percent"]) == (1, 25)


def test_what_was_not_measured_fails_except_where_nothing_is_good() -> None:
    report = report_of(run(record(0, turns=[], gaps=[])))
    not_measured, no_gap = judge([parse_rule("v2v_p95_ms>500"), parse_rule("gaps_max_ms>10")], report)
    assert not_measured.failed
    assert str(not_measured) == "v2v_p95_ms>500: v2v_p95_ms was not measured in this run"
    assert not no_gap.failed
    assert str(Verdict(parse_rule("v2v_p95_ms>500"), 612.34)) == "v2v_p95_ms>500: v2v_p95_ms is 612.3"


def test_answers_and_server_are_metrics_where_they_were_looked_at() -> None:
    without = metrics_of(report_of(run(record())))
    assert not {"not_speech", "mismatched", "server_cpu_max_percent"} & without.keys()
    values = metrics_of(report_of(watched(answered(run(record())))))
    assert (values["not_speech"], values["mismatched"], values["mismatched_percent"]) == (1, 1, 50)
    assert (values["server_cpu_max_percent"], values["server_rss_growth_mb"]) == (40, 12)
    assert values.keys() == METRICS
