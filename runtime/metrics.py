"""What the process counts, for Prometheus (``/metrics``). Names follow its conventions: seconds, ``_total``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from models.status import AicallStatus
from models.turn import TurnRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of `Metrics.render`: the Prometheus text format."""

_LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """The process's metrics, in a registry of its own so that several servers can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._moves = Counter(
            "aicall_status_moves", "Status moves made by this process.", ["status"], registry=self._registry
        )
        for status in AicallStatus:
            self._moves.labels(status)
        self._live_calls = Gauge("aicall_live_calls", "Calls that run in this process.", registry=self._registry)
        self._turns = Counter("aicall_turns", "Turns that ended.", ["trigger", "interrupted"], registry=self._registry)
        self._voice_to_voice = self._latency(
            "aicall_voice_to_voice_seconds", "From the end of the caller's speech to the first audio of the answer."
        )
        self._llm_first_token = self._latency(
            "aicall_llm_first_token_seconds", "From the end of the turn to the model's first token."
        )
        self._tts_first_audio = self._latency(
            "aicall_tts_first_audio_seconds", "From the model's first token to the first synthesised audio."
        )
        self._barge_in = self._latency(
            "aicall_barge_in_seconds", "From the caller's cutting in to the order to drop what was not yet played."
        )
        self._provider_errors = Counter(
            "aicall_provider_errors",
            "Failures of speech and language vendors.",
            ["seat", "provider"],
            registry=self._registry,
        )

    def _latency(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=_LATENCY_BUCKETS_S, registry=self._registry)

    def watch_live_calls(self, count: Callable[[], int]) -> None:
        """Take the number of live calls from this function whenever the metrics are read."""
        self._live_calls.set_function(count)

    def status_moved(self, status: AicallStatus) -> None:
        """Count an AIcall's move into this status; creation counts as ``initiating``."""
        self._moves.labels(status).inc()

    def observe_turn(self, record: TurnRecord) -> None:
        """Count a turn and its latencies; a stage that did not happen is left out."""
        self._turns.labels(record.trigger, str(record.interrupted).lower()).inc()
        for histogram, elapsed_ms in (
            (self._voice_to_voice, record.voice_to_voice_ms),
            (self._llm_first_token, _between(record.turn_end_ms, record.llm_first_token_ms)),
            (self._tts_first_audio, _between(record.llm_first_token_ms, record.tts_first_audio_ms)),
            (self._barge_in, record.barge_in_ms),
        ):
            if elapsed_ms is not None:
                histogram.observe(elapsed_ms / 1000)

    def provider_failed(self, *, seat: str, provider: str) -> None:
        """Count a vendor's failure.

        Args:
            seat: ``stt``, ``llm`` or ``tts``.
            provider: The vendor's name in the seat's table.
        """
        self._provider_errors.labels(seat, provider).inc()

    def render(self) -> bytes:
        """Return everything in the Prometheus text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


def _between(start_ms: int | None, end_ms: int | None) -> int | None:
    # A model that started speculatively may be ahead of the end of the turn.
    return None if start_ms is None or end_ms is None else max(0, end_ms - start_ms)
