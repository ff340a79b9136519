"""What the process delivers, for Prometheus. Webhooks count together: there may be any number of them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

from adapters.events.table import SINKS, WEBHOOK
from adapters.store.deliveries.contract import Outcome

_LAG_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)

_COUNTED = {Outcome.DELIVERED: "delivered", Outcome.RETRY: "failed", Outcome.DEAD: "dead", Outcome.GONE: "dead"}


class DeliveryMetrics(Collector):
    """Counts deliveries."""

    def __init__(self) -> None:
        self._deliveries = Counter(
            "aicall_event_deliveries",
            "Attempts to deliver an event: delivered, failed (tried again), dead (given up).",
            ["sink", "outcome"],
            registry=None,
        )
        self._lag = Histogram(
            "aicall_event_delivery_lag_seconds",
            "From an event to its acknowledgement by a sink.",
            ["sink"],
            buckets=_LAG_BUCKETS_S,
            registry=None,
        )
        self._in_flight = Gauge("aicall_event_deliveries_in_flight", "Attempts that run now.", registry=None)
        self._leading = Gauge(
            "aicall_event_relay_leading",
            "Whether this process is the one that delivers: 1, or 0 while another one does.",
            registry=None,
        )
        for sink in (WEBHOOK, *(row.name for row in SINKS)):
            self._lag.labels(sink)
            for counted in set(_COUNTED.values()):
                self._deliveries.labels(sink, counted)

    def attempted(self, sink: str, outcome: Outcome, *, lag_s: float) -> None:
        """Count one attempt.

        Args:
            sink: ``webhook``, or the system's name.
            outcome: What became of it.
            lag_s: The event's age, seconds; counts where it was delivered.
        """
        self._deliveries.labels(sink, _COUNTED[outcome]).inc()
        if outcome is Outcome.DELIVERED:
            self._lag.labels(sink).observe(max(0.0, lag_s))

    def flying(self, count: int) -> None:
        """Note how many attempts run."""
        self._in_flight.set(count)

    def leads(self, leading: bool) -> None:
        """Note whether this process delivers."""
        self._leading.set(leading)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are at this moment."""
        for metric in (self._deliveries, self._lag, self._in_flight, self._leading):
            yield from metric.collect()
