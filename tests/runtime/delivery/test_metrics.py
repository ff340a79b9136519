from __future__ import annotations

from adapters.store.deliveries.contract import Outcome
from runtime.delivery.metrics import DeliveryMetrics
from runtime.metrics import Metrics


def text_of(counted: DeliveryMetrics) -> str:
    metrics = Metrics()
    metrics.watch_engine(counted)
    return metrics.render().decode()


def test_everything_is_there_before_it_happens() -> None:
    text = text_of(DeliveryMetrics())
    for sink in ("webhook", "nats"):
        for outcome in ("delivered", "failed", "dead"):
            assert f'aicall_event_deliveries_total{{outcome="{outcome}",sink="{sink}"}} 0.0' in text
        assert f'aicall_event_delivery_lag_seconds_count{{sink="{sink}"}} 0.0' in text


def test_attempts_are_counted_and_lags_of_deliveries() -> None:
    counted = DeliveryMetrics()
    for outcome in Outcome:
        counted.attempted("webhook", outcome, lag_s=0.3)
    counted.attempted("webhook", Outcome.DELIVERED, lag_s=-1.0)
    counted.flying(3)
    counted.leads(True)
    text = text_of(counted)
    assert 'aicall_event_deliveries_total{outcome="delivered",sink="webhook"} 2.0' in text
    assert 'aicall_event_deliveries_total{outcome="failed",sink="webhook"} 1.0' in text
    assert 'aicall_event_deliveries_total{outcome="dead",sink="webhook"} 2.0' in text
    assert 'aicall_event_delivery_lag_seconds_sum{sink="webhook"} 0.3' in text
    assert "aicall_event_deliveries_in_flight 3.0" in text
    assert "aicall_event_relay_leading 1.0" in text
