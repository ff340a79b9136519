from bench.quantities import HEADLINES, headlines
from bench.steps import Step

STEP = Step(8, v2v_p50_ms=280.0, v2v_p95_ms=330.0, cpu_per_call_pct=2.5, lateness_p99_ms=4.0)


def test_a_step_shows_what_belongs_to_it() -> None:
    found = {quantity.key: value for quantity, value in headlines([STEP, Step(12, v2v_p50_ms=1.0)]).items()}
    assert found["cpu_per_call.8"] == 2.5
    assert found["v2v_p50.8"] == 80.0
    assert found["v2v_p95.8"] == 130.0
    assert found["beyond_vad_p50.8"] is None
    assert not any(key.endswith(".12") for key in found)


def test_everything_can_be_shown_of_a_step() -> None:
    found = headlines([Step(12, lateness_p50_ms=1.0)], {12})
    assert len(found) == len(HEADLINES)
    assert {quantity.key for quantity in found if found[quantity] is not None} == {"lateness_p50.12"}


def test_one_call_is_one_call() -> None:
    assert all("1 call" in quantity.title and "calls" not in quantity.title for quantity in headlines([Step(1)]))
