"""One answer to ``GET /metrics`` from the texts of several processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def merge(texts: Iterable[tuple[Mapping[str, str], str]]) -> str:
    """Put metrics of several processes into one text.

    Nothing is added up: a sum would fall whenever a worker is replaced, and a rate would be told wrong; ratios and
    quantiles have no sum at all. Each sample gets the labels of its process instead, and whoever reads them sums.

    Args:
        texts: For each process the labels that tell it from the others, and its metrics in the Prometheus text format.

    Returns:
        The Prometheus text format, each metric with its help and type once.
    """
    merged: dict[str, Metric] = {}
    for labels, text in texts:
        for family in text_string_to_metric_families(text):
            known = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                known.add_sample(sample.name, {**sample.labels, **labels}, sample.value)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(merged.values()))
    return generate_latest(registry).decode()
