from __future__ import annotations

import json

import pytest

from runtime.replay.record import FailureKind
from runtime.replay.report import failures_of, public_url, report_of
from tests.runtime.replay.runs import answered, failed, record, run, watched


def test_a_report_holds_every_figure() -> None:
    report = report_of(run(record(0), record(1)))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["calls"], report["ok"], report["failed"], report["tm_start"]) == (
        2,
        2,
        0,
        "2024-03-01T10:00:00.000000Z",
    )
    assert report["voice_to_voice_ms"] == {
        "count": 4,
        "min": 300,
        "mean": 350,
        "p50": 300,
        "p90": 400,
        "p95": 400,
        "p99": 400,
        "max": 400,
    }
    assert report["barge_in_stop_ms"]["p95"] == 240
    assert report["barge_in_clear_ms"]["p95"] == 230
    assert report["setup_ms"]["p50"] == 20
    assert report["gaps_ms"]["count"] == report["late_ms"]["count"] == 2
    assert report["harness"]["lag_ms"]["max"] == 1.5
    assert report["audio_messages"] == 500
    first = report["per_call"][0]
    assert first["turns"][0]["reply_ms"] == 300
    assert first["turns"][1]["barge_in"] is True
    assert report["remarks"] == []


def test_no_value_is_null_and_no_zero() -> None:
    report = report_of(run(failed(0, FailureKind.UNREACHABLE, "refused")))
    assert report["voice_to_voice_ms"]["count"] == 0
    assert report["voice_to_voice_ms"]["p50"] is None
    assert report["per_call"][0]["setup_ms"] is None


def test_no_token_is_told() -> None:
    assert "s3cret" not in json.dumps(report_of(run(record())))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ws://h:1/ws/abc/token", "ws://h:1/ws/abc/…"),
        ("ws://h/prefix/ws/abc/token?from=1", "ws://h/prefix/ws/abc/…"),
        ("ws://h/other", "ws://h/other"),
        ("wss://h/ws/abc/to.k-en/", "wss://h/ws/abc/…/"),
        ("wss://user:pass@h/ws/abc/token", "wss://h/ws/abc/…"),
    ],
)
def test_urls_for_people(url: str, told: str) -> None:
    assert public_url(url) == told


def test_equal_failures_are_told_once() -> None:
    records = [
        record(0),
        failed(1, FailureKind.REFUSED, "HTTP 503: draining"),
        failed(2, FailureKind.NO_ANSWER, "turn 1"),
        *(failed(index, FailureKind.REFUSED, "HTTP 503: draining") for index in range(3, 13)),
    ]
    lines = [group.line(13) for group in failures_of(records)]
    assert lines == [
        "11 of 13 calls failed, refused: HTTP 503: draining (call 2, 4, 5, 6, 7, 8, 9, 10 and 3 more)",
        "1 of 13 calls failed, no answer: turn 1 (call 3)",
    ]
    assert failures_of(records[1:2])[0].line(1) == "call failed, refused: HTTP 503: draining"
    report = report_of(run(*records))
    assert (report["ok"], report["failed"]) == (1, 12)
    assert report["failures"][1] == {"kind": "no answer", "detail": "turn 1", "calls": [3]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lag_ms": [50.0] * 100}, "too busy"),
        ({"clears_ms": []}, "1 of 1 barge-ins did not stop the bot"),
        ({"bot_speech": [], "ended_by_far_end": True, "unplayed_ms": 500.0}, "up to 500 ms"),
    ],
)
def test_what_a_reader_should_know(fields: dict[str, object], words: str) -> None:
    remarks = report_of(run(record(**fields)))["remarks"]
    assert [remark for remark in remarks if words in remark]


def test_a_run_tells_how_it_was_placed_and_what_was_watched() -> None:
    report = report_of(watched(answered(run(record(0), record(1)))))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["phase"], report["hold_s"]) == ("even", 0.0)
    assert [call["begun_s"] for call in report["per_call"]] == [0.0, 0.5]
    assert report["lead_ms"]["max"] == 60
    assert report["answers"]["mismatched"] == 1
    assert report["server"]["rss_max_mb"] == 130
    words = " ".join(report["remarks"])
    assert "1 stretches of the bot's audio do not sound like speech" in words
    assert "1 of 2 stretches of the bot's audio are not what was expected" in words


def test_what_was_not_looked_at_is_not_told() -> None:
    report = report_of(run(record()))
    assert report["answers"] is None
    assert report["server"] is None
