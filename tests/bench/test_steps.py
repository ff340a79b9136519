import json

import pytest

from bench.steps import Noise, Step, merged

QUIET = Noise(control_p99_ms=0.2, control_real_time=True, foreign_pct=3.0, callers_pct=20.0, stand_ins_pct=10.0)
NOISY = Noise(foreign_pct=60.0)


@pytest.mark.parametrize(
    ("noise", "word"),
    [
        (NOISY, "other processes"),
        (Noise(control_p99_ms=9.0, control_real_time=True), "bare timer"),
        (Noise(callers_pct=60.0, stand_ins_pct=30.0), "callers and stand-ins"),
        (Noise(callers_late_p99_ms=25.0), "callers themselves"),
    ],
)
def test_noise_says_what_disturbs(noise: Noise, word: str) -> None:
    assert [word in found for found in noise.disturbances] == [True]
    assert Step(1, noise=noise).disturbed


def test_quiet_is_quiet() -> None:
    assert not Step(1, noise=QUIET).disturbed
    assert not Step(1).disturbed


def test_a_timer_without_priority_proves_nothing() -> None:
    assert Noise(control_p99_ms=50.0, control_real_time=False).disturbances == []


def test_merging_takes_medians_of_what_is_known() -> None:
    steps = [
        Step(8, turns=10, failed=1, v2v_p95_ms=300.0, noise=QUIET),
        Step(8, turns=12, v2v_p95_ms=340.0, cpu_per_call_pct=2.0, noise=QUIET),
    ]
    found = merged(steps)
    assert (found.calls, found.turns, found.failed) == (8, 22, 0)
    assert (found.v2v_p95_ms, found.cpu_per_call_pct, found.v2v_p50_ms) == (320.0, 2.0, None)
    assert found.noise == QUIET


def test_merging_leaves_disturbed_repetitions_out_unless_all_are() -> None:
    quiet, noisy = Step(8, v2v_p95_ms=300.0, noise=QUIET), Step(8, v2v_p95_ms=900.0, noise=NOISY)
    assert merged([noisy, quiet]) == quiet
    assert merged([noisy, noisy]).v2v_p95_ms == 900.0


@pytest.mark.parametrize("steps", [[], [Step(1), Step(2)]])
def test_only_repetitions_of_one_step_are_merged(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match="one number of calls"):
        merged(steps)


def test_the_document_is_json() -> None:
    document = json.loads(json.dumps(Step(4, noise=NOISY).document()))
    assert document["calls"] == 4
    assert document["noise"]["foreign_pct"] == 60.0
    assert document["disturbances"]
