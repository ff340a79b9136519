"""What the calls know of vendors that fail, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from adapters.breaker import Circuits, CircuitState

_VALUES = {CircuitState.CLOSED: 0.0, CircuitState.HALF_OPEN: 1.0, CircuitState.OPEN: 2.0}


class CircuitMetrics(Collector):
    """Reads the circuits whenever the metrics are read.

    Args:
        circuits: The process's circuits.
    """

    def __init__(self, circuits: Circuits) -> None:
        self._circuits = circuits

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are at this moment; of a vendor's accounts, the worst counts."""
        state = GaugeMetricFamily(
            "aicall_provider_circuit",
            "What is thought of a vendor: 0 works, 1 is being tried again, 2 does not work.",
            labels=["seat", "provider"],
        )
        opened = CounterMetricFamily(
            "aicall_provider_circuit_opened", "How often a vendor was found not to work.", labels=["seat", "provider"]
        )
        states: dict[tuple[str, str], float] = {}
        counts: dict[tuple[str, str], int] = {}
        for circuit in self._circuits:
            name = (circuit.seat, circuit.provider)
            states[name] = max(states.get(name, 0.0), _VALUES[circuit.state])
            counts[name] = counts.get(name, 0) + circuit.opened
        for name, value in states.items():
            state.add_metric(name, value)
            opened.add_metric(name, counts[name])
        yield state
        yield opened
