from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from runtime.supervisor.exposition import merge


def a_process(calls: int) -> str:
    registry = CollectorRegistry()
    refused = Counter("refused", 'Said "no".', ["reason"], registry=registry)
    refused.labels('a "b"\\c').inc(calls)
    Gauge("limit", "How many fit.", registry=registry).set(math.inf)
    Histogram("lag_seconds", "How late.", buckets=(0.1,), registry=registry).observe(calls)
    return generate_latest(registry).decode()


def test_every_sample_is_there_with_the_labels_of_its_process() -> None:
    text = merge([({"worker": "1"}, a_process(3)), ({"worker": "2"}, a_process(5)), ({"worker": "s"}, "")])
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, sample.labels["worker"], sample.labels.get("le")): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["refused_total", "1", None] == 3
    assert samples["refused_total", "2", None] == 5
    assert samples["limit", "2", None] == math.inf
    assert samples["lag_seconds_count", "1", None] == 1
    assert samples["lag_seconds_bucket", "1", "0.1"] == 0
    assert samples["lag_seconds_bucket", "1", "+Inf"] == 1
    assert [sample.labels["reason"] for sample in families["refused"].samples if sample.value in {3, 5}] == [
        'a "b"\\c'
    ] * 2
    assert (families["refused"].type, families["lag_seconds"].type) == ("counter", "histogram")
    # A metric is described once, however many processes have it.
    assert text.count("# TYPE limit ") == 1
    assert text.count("# TYPE refused_total ") == 1


def test_nothing_of_nobody() -> None:
    assert merge([]) == ""
