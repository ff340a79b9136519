"""What the shared models and the shared greetings have done, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pipelines.speech.greeting_cache import GreetingCache
from pipelines.vad.inference import InferenceEngine


class EngineMetrics(Collector):
    """Reads what is counted elsewhere whenever the metrics are read, so that counting costs the audio path nothing.

    Args:
        inference: The shared models.
        greetings: The shared greetings.
    """

    def __init__(self, inference: InferenceEngine, greetings: GreetingCache) -> None:
        self._inference = inference
        self._greetings = greetings

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are at this moment."""
        vad, smart_turn, greetings = self._inference.vad, self._inference.smart_turn, self._greetings
        yield CounterMetricFamily("aicall_vad_windows", "Windows of 32 ms that were scored.", vad.load.windows)
        yield CounterMetricFamily(
            "aicall_vad_runs", "Runs of the VAD model; windows divided by runs is the batch size.", vad.load.runs
        )
        yield GaugeMetricFamily(
            "aicall_vad_longest_queue", "Most windows that waited at the same time.", vad.load.longest_queue
        )
        yield CounterMetricFamily("aicall_smart_turn_inferences", "Verdicts given.", smart_turn.load.inferences)
        yield CounterMetricFamily(
            "aicall_smart_turn_dropped", "Questions that nobody wanted answered any more.", smart_turn.load.dropped
        )
        yield GaugeMetricFamily("aicall_smart_turn_waiting", "Questions that wait for their turn.", smart_turn.waiting)
        busy = CounterMetricFamily(
            "aicall_engine_busy_seconds", "Working time of the inference threads.", labels=["engine"]
        )
        busy.add_metric(["vad"], vad.busy.total_s)
        busy.add_metric(["smart_turn"], smart_turn.busy.total_s)
        yield busy
        played = CounterMetricFamily(
            "aicall_greetings", "Fixed greetings, by whether they were kept from an earlier call.", labels=["kept"]
        )
        played.add_metric(["true"], greetings.hits)
        played.add_metric(["false"], greetings.misses)
        yield played
        yield GaugeMetricFamily("aicall_greetings_bytes", "Memory of the greetings kept.", greetings.size_bytes)
