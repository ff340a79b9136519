"""Counts what a call uses, out of the metrics that Pipecat's services push, and tells when it is too much."""

from __future__ import annotations

from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import LLMUsageMetricsData, STTUsageMetricsData, TTSUsageMetricsData

from models.customer import Prices
from models.usage import Usage


class Meter:
    """One call's meter. It lives as long as the call, whichever pipelines that runs.

    Attributes:
        usage: What was used so far.
        prices: What it costs.
        limit: Most that the call may cost; 0 for no limit.
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self.prices = Prices()
        self.limit = 0.0

    def take(self, frame: MetricsFrame) -> None:
        """Add what a service reports."""
        for data in frame.data:
            match data:
                case LLMUsageMetricsData(value=tokens):
                    used = Usage(llm_input_tokens=tokens.prompt_tokens, llm_output_tokens=tokens.completion_tokens)
                case TTSUsageMetricsData(value=characters):
                    used = Usage(tts_characters=characters)
                case STTUsageMetricsData(value=heard):
                    used = Usage(stt_seconds=heard.audio_seconds)
                case _:
                    continue
            self.usage = self.usage.plus(used)

    @property
    def over(self) -> bool:
        """Whether the call has cost as much as it may."""
        return bool(self.limit) and self.usage.cost(self.prices) >= self.limit
