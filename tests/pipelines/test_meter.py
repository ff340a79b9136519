from __future__ import annotations

import pytest
from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    STTUsage,
    STTUsageMetricsData,
    TTFBMetricsData,
    TTSUsageMetricsData,
)

from models.customer import Prices
from models.usage import Usage
from pipelines.meter import Meter

TOKENS = LLMTokenUsage(prompt_tokens=300, completion_tokens=20, total_tokens=320)


def report() -> MetricsFrame:
    return MetricsFrame(
        data=[
            TTFBMetricsData(processor="llm", value=9.0),
            LLMUsageMetricsData(processor="llm", value=TOKENS),
            TTSUsageMetricsData(processor="tts", value=40),
            STTUsageMetricsData(processor="stt", value=STTUsage(audio_seconds=1.5)),
        ]
    )


def test_what_services_report_is_summed_up() -> None:
    meter = Meter()
    for _ in range(3):
        meter.take(report())
    assert meter.usage == Usage(llm_input_tokens=900, llm_output_tokens=60, tts_characters=120, stt_seconds=4.5)


@pytest.mark.parametrize(
    ("prices", "limit", "over"),
    [
        (Prices(), 0.0, False),
        (Prices(), 1.0, False),
        (Prices(llm_input=10), 0.0, False),
        (Prices(llm_input=10), 3.0, True),
        (Prices(llm_input=10), 3.01, False),
        (Prices(llm_output=100), 2.0, True),
        (Prices(tts=100), 4.0, True),
        (Prices(stt=100), 2.5, True),
        (Prices(llm_input=1, llm_output=1, tts=1, stt=1), 0.38, True),
    ],
)
def test_it_tells_when_a_call_has_cost_as_much_as_it_may(prices: Prices, limit: float, over: bool) -> None:
    meter = Meter()
    meter.prices, meter.limit = prices, limit
    assert not meter.over
    meter.take(report())
    assert meter.over is over
