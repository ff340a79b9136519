"""What the process counts, for Prometheus (``/metrics``). Names follow its conventions: seconds, ``_total``."""

from __future__ import annotations

import re
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from models.errors import AicallError
from models.status import AicallStatus
from models.turn import TurnRecord
from runtime.capacity import Refusal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of `Metrics.render`: the Prometheus text format."""

_LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0)
_LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


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
        self._call_limit = Gauge(
            "aicall_call_limit",
            "Calls that fit in this process at the same time, as far as it knows now.",
            registry=self._registry,
        )
        self._refused = Counter(
            "aicall_calls_refused",
            "Media connections that were refused before the upgrade.",
            ["reason"],
            registry=self._registry,
        )
        for refusal in Refusal:
            self._refused.labels(refusal)
        self._loop_lag = Histogram(
            "aicall_loop_lag_seconds",
            "How late the event loop runs a timer that is due every 25 ms.",
            buckets=_LAG_BUCKETS_S,
            registry=self._registry,
        )
        self._loop_lag_max = Gauge(
            "aicall_loop_lag_max_seconds", "Longest lag of the last ten seconds.", registry=self._registry
        )
        self._loop_busy = Gauge(
            "aicall_loop_busy_ratio",
            "Share of the last second in which the loop's thread worked.",
            registry=self._registry,
        )
        self._engine_busy = Gauge(
            "aicall_engine_busy_ratio",
            "Share of the last seconds in which the inference threads worked.",
            registry=self._registry,
        )
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
        self._barge_ins = Counter(
            "aicall_barge_ins",
            "What the caller's speech led to, and why: the bot held, resumed, a turn started, words forgotten.",
            ["action", "cause"],
            registry=self._registry,
        )
        self._early_answers = Counter(
            "aicall_early_answers",
            "Answers begun before the caller's turn was certainly over: kept, or thrown away.",
            ["outcome"],
            registry=self._registry,
        )
        for outcome in ("kept", "discarded"):
            self._early_answers.labels(outcome)
        self._provider_errors = Counter(
            "aicall_provider_errors",
            "Failures of speech and language vendors.",
            ["seat", "provider"],
            registry=self._registry,
        )

        self._provider_switches = Counter(
            "aicall_provider_switches",
            "Seats of calls that another vendor took over.",
            ["seat", "failed", "successor"],
            registry=self._registry,
        )

        self._stalls = Counter(
            "aicall_stalls",
            "Vendors whose connection stood and from which nothing came in time.",
            ["seat", "provider"],
            registry=self._registry,
        )
        self._fillers = Counter(
            "aicall_fillers",
            "Fillers that callers heard, by what the answer waited for.",
            ["waits_for"],
            registry=self._registry,
        )

    def _latency(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, buckets=_LATENCY_BUCKETS_S, registry=self._registry)

    def watch_live_calls(self, count: Callable[[], int]) -> None:
        """Take the number of live calls from this function whenever the metrics are read."""
        self._live_calls.set_function(count)

    def watch_capacity(self, limit: Callable[[], float], engine_busy: Callable[[], float]) -> None:
        """Take the number of calls that fit and the engine's load from these functions whenever the metrics are read.

        Args:
            limit: Returns a number of calls; infinity where there is no limit.
            engine_busy: Returns a share of the time, 0 to 1.
        """
        self._call_limit.set_function(limit)
        self._engine_busy.set_function(engine_busy)

    def watch_engine(self, engine: Collector) -> None:
        """Read these metrics too whenever the metrics are read."""
        self._registry.register(engine)

    def watch_loop(self, worst_lag_s: Callable[[], float]) -> None:
        """Take the loop's longest lag of late from this function whenever the metrics are read, seconds."""
        self._loop_lag_max.set_function(worst_lag_s)

    def loop_lagged(self, lag_s: float) -> None:
        """Count one lag of the event loop, seconds."""
        self._loop_lag.observe(lag_s)

    def loop_worked(self, busy: float) -> None:
        """Note which share of the last second the loop's thread worked, 0 to 1."""
        self._loop_busy.set(busy)

    def call_refused(self, refusal: Refusal) -> None:
        """Count a media connection for which there is no place."""
        self._refused.labels(refusal).inc()

    def connection_refused(self, error: AicallError) -> None:
        """Count a media connection that may not connect, by the kind of error: ``not_found``, ``unauthorized``."""
        self._refused.labels(_CAPITAL.sub("_", type(error).__name__).lower()).inc()

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

    def barge_in_decided(self, *, action: str, cause: str) -> None:
        """Count what the caller's speech led to.

        Args:
            action: ``hold``, ``start``, ``resume`` or ``forget``.
            cause: Why.
        """
        self._barge_ins.labels(action, cause).inc()

    def answered_early(self, *, kept: int, discarded: int) -> None:
        """Count a call's early answers."""
        self._early_answers.labels("kept").inc(kept)
        self._early_answers.labels("discarded").inc(discarded)

    def provider_failed(self, *, seat: str, provider: str) -> None:
        """Count a vendor's failure.

        Args:
            seat: ``stt``, ``llm`` or ``tts``.
            provider: The vendor's name in the seat's table.
        """
        self._provider_errors.labels(seat, provider).inc()

    def provider_switched(self, *, seat: str, failed: str, successor: str) -> None:
        """Count that a vendor took over from another one in the middle of a call.

        Args:
            seat: ``stt``, ``llm`` or ``tts``.
            failed: The vendor that failed.
            successor: The vendor that took over.
        """
        self._provider_switches.labels(seat, failed, successor).inc()

    def stalled(self, *, seat: str, provider: str) -> None:
        """Count that a vendor fell silent.

        Args:
            seat: ``stt``, ``llm`` or ``tts``.
            provider: The vendor's name in the seat's table.
        """
        self._stalls.labels(seat, provider).inc()

    def filler_said(self, *, waits_for: str) -> None:
        """Count a filler.

        Args:
            waits_for: ``stt``, ``llm``, ``tts`` or ``tool``.
        """
        self._fillers.labels(waits_for).inc()

    def render(self) -> bytes:
        """Return everything in the Prometheus text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


def _between(start_ms: int | None, end_ms: int | None) -> int | None:
    # A model that started speculatively may be ahead of the end of the turn.
    return None if start_ms is None or end_ms is None else max(0, end_ms - start_ms)
