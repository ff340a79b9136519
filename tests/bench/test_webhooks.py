from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.processes import Cores
from bench.webhooks import Figures, lag_ms, measure
from models.timestamps import format_timestamp
from tests.standins.webhook_receiver import Received


def test_percentiles() -> None:
    figures = Figures(1, [float(number) for number in range(100, 0, -1)], 0.5, 0)
    assert (figures.percentile(50), figures.percentile(95), figures.percentile(100)) == (50, 95, 100)
    assert figures.document()["max_ms"] == 100


def test_a_lag_is_taken_from_the_event() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    event = {"tm_create": format_timestamp(moment)}
    assert lag_ms(Received(event, "1", b"", moment.timestamp() + 0.25)) == pytest.approx(250)


@pytest.mark.parametrize("talking", [False, True])
async def test_moves_are_measured_beside_a_call(tmp_path: Path, talking: bool) -> None:
    figures = await measure(1, 6, talking=talking, cores=Cores(), folder=tmp_path, log=tmp_path / "log")
    assert len(figures.lags_ms) == 6
    assert min(figures.lags_ms) > 0
    assert figures.repeats == 0
