from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.errors import Conflict, IllegalTransition, InvalidField, NotFound
from models.status import AicallStatus
from models.turn import TurnRecord, TurnTrigger
from runtime.capacity import Refusal
from runtime.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics).get((name, frozenset(labels.items())), math.nan)


def test_status_moves_start_at_zero_and_count() -> None:
    metrics = Metrics()
    for status in AicallStatus:
        assert value(metrics, "aicall_status_moves_total", status=status) == 0
    metrics.status_moved(AicallStatus.PROGRESSING)
    metrics.status_moved(AicallStatus.PROGRESSING)
    assert value(metrics, "aicall_status_moves_total", status="progressing") == 2


def test_live_calls_are_read_when_asked_for() -> None:
    metrics, calls = Metrics(), [1, 2]
    metrics.watch_live_calls(calls.__len__)
    assert value(metrics, "aicall_live_calls") == 2
    calls.append(3)
    assert value(metrics, "aicall_live_calls") == 3


def test_early_answers_start_at_zero_and_count() -> None:
    metrics = Metrics()
    assert value(metrics, "aicall_early_answers_total", outcome="kept") == 0
    metrics.answered_early(kept=2, discarded=1)
    metrics.answered_early(kept=1, discarded=0)
    assert value(metrics, "aicall_early_answers_total", outcome="kept") == 3
    assert value(metrics, "aicall_early_answers_total", outcome="discarded") == 1


def test_what_fits_and_how_busy_the_process_is() -> None:
    metrics = Metrics()
    limits, engine, worst_s = [math.inf, 7.0], [0.0, 0.5], [0.25, 0.0]
    metrics.watch_capacity(lambda: limits[-1], lambda: engine[-1])
    metrics.watch_loop(lambda: worst_s[-1])
    metrics.loop_worked(0.75)
    assert value(metrics, "aicall_call_limit") == 7
    assert value(metrics, "aicall_engine_busy_ratio") == 0.5
    assert value(metrics, "aicall_loop_lag_max_seconds") == 0
    assert value(metrics, "aicall_loop_busy_ratio") == 0.75
    for readings in (limits, engine, worst_s):
        readings.pop()
    assert value(metrics, "aicall_call_limit") == math.inf
    assert value(metrics, "aicall_loop_lag_max_seconds") == 0.25


def test_the_loops_lag_is_a_histogram() -> None:
    metrics = Metrics()
    for lag_s in (0.0, 0.004, 0.3):
        metrics.loop_lagged(lag_s)
    assert value(metrics, "aicall_loop_lag_seconds_count") == 3
    assert value(metrics, "aicall_loop_lag_seconds_sum") == pytest.approx(0.304)
    assert value(metrics, "aicall_loop_lag_seconds_bucket", le="0.005") == 2
    assert value(metrics, "aicall_loop_lag_seconds_bucket", le="0.25") == 2


def test_refusals_by_reason() -> None:
    metrics = Metrics()
    for refusal in Refusal:
        assert value(metrics, "aicall_calls_refused_total", reason=refusal) == 0
    metrics.call_refused(Refusal.LOOP_LAG)
    for error, reason in (
        (NotFound("ai", "x"), "not_found"),
        (Conflict("x"), "conflict"),
        (IllegalTransition("a", "b"), "illegal_transition"),
        (InvalidField("x", "y"), "invalid_field"),
    ):
        metrics.connection_refused(error)
        assert value(metrics, "aicall_calls_refused_total", reason=reason) == 1
    assert value(metrics, "aicall_calls_refused_total", reason="loop_lag") == 1


def test_a_turn_is_observed_in_seconds_stage_by_stage() -> None:
    metrics = Metrics()
    metrics.observe_turn(
        TurnRecord(
            turn=1,
            trigger=TurnTrigger.SPEECH,
            interrupted=True,
            turn_end_ms=1000,
            llm_first_token_ms=1250,
            tts_first_audio_ms=1350,
            voice_to_voice_ms=700,
            barge_in_ms=90,
        )
    )
    sums = {
        "aicall_voice_to_voice_seconds": 0.7,
        "aicall_llm_first_token_seconds": 0.25,
        "aicall_tts_first_audio_seconds": 0.1,
        "aicall_barge_in_seconds": 0.09,
    }
    for name, expected in sums.items():
        assert value(metrics, f"{name}_sum") == pytest.approx(expected)
        assert value(metrics, f"{name}_count") == 1
    assert value(metrics, "aicall_turns_total", trigger="speech", interrupted="true") == 1


def test_a_stage_that_did_not_happen_is_left_out_and_one_before_its_time_is_zero() -> None:
    metrics = Metrics()
    metrics.observe_turn(TurnRecord(turn=0, trigger=TurnTrigger.GREETING, tts_first_audio_ms=50))
    metrics.observe_turn(
        TurnRecord(turn=1, trigger=TurnTrigger.SPEECH, turn_end_ms=100, llm_first_token_ms=90, voice_to_voice_ms=0)
    )
    assert value(metrics, "aicall_tts_first_audio_seconds_count") == 0
    assert value(metrics, "aicall_barge_in_seconds_count") == 0
    assert value(metrics, "aicall_llm_first_token_seconds_sum") == 0
    assert value(metrics, "aicall_llm_first_token_seconds_count") == 1
    assert value(metrics, "aicall_voice_to_voice_seconds_count") == 1


def test_what_speech_led_to_by_action_and_cause() -> None:
    metrics = Metrics()
    metrics.barge_in_decided(action="resume", cause="echo")
    metrics.barge_in_decided(action="resume", cause="echo")
    metrics.barge_in_decided(action="start", cause="words")
    text = metrics.render().decode()
    assert 'aicall_barge_ins_total{action="resume",cause="echo"} 2.0' in text
    assert 'aicall_barge_ins_total{action="start",cause="words"} 1.0' in text


def test_provider_failures_by_seat() -> None:
    metrics = Metrics()
    metrics.provider_failed(seat="tts", provider="elevenlabs")
    assert value(metrics, "aicall_provider_errors_total", seat="tts", provider="elevenlabs") == 1


def test_vendors_that_took_over() -> None:
    metrics = Metrics()
    metrics.provider_switched(seat="tts", failed="elevenlabs", successor="openai")
    labels = {"seat": "tts", "failed": "elevenlabs", "successor": "openai"}
    assert value(metrics, "aicall_provider_switches_total", **labels) == 1


def test_registries_are_separate() -> None:
    first, second = Metrics(), Metrics()
    first.status_moved(AicallStatus.TERMINATED)
    assert value(second, "aicall_status_moves_total", status="terminated") == 0


def test_stalls_and_fillers() -> None:
    metrics = Metrics()
    metrics.stalled(seat="llm", provider="openai")
    metrics.filler_said(waits_for="tool")
    assert value(metrics, "aicall_stalls_total", seat="llm", provider="openai") == 1
    assert value(metrics, "aicall_fillers_total", waits_for="tool") == 1
