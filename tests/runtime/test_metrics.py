from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.status import AicallStatus
from models.turn import TurnRecord, TurnTrigger
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


def test_provider_failures_by_seat() -> None:
    metrics = Metrics()
    metrics.provider_failed(seat="tts", provider="elevenlabs")
    assert value(metrics, "aicall_provider_errors_total", seat="tts", provider="elevenlabs") == 1


def test_registries_are_separate() -> None:
    first, second = Metrics(), Metrics()
    first.status_moved(AicallStatus.TERMINATED)
    assert value(second, "aicall_status_moves_total", status="terminated") == 0
