import pytest

from bench.measure_instructions import CODEC, INGRESS, instructions, per_frame
from bench.processes import BenchError

LOG = """\
==11== Cachegrind, a cache and branch-prediction profiler
==11== Command: python -m bench.instructions ours 10 5
==12==
==12== I   refs:      4,634,012,383
==13==
==13== I refs:        4,668,529,832
==14== D   refs:      1
"""


def test_counts_are_read_by_process() -> None:
    assert instructions(LOG) == {12: 4_634_012_383, 13: 4_668_529_832}
    assert instructions("==1== ERROR SUMMARY: 0 errors") == {}


DONE = [
    {"pid": 1, "path": "codec", "frames": 10},
    {"pid": 2, "path": "codec", "frames": 20},
    {"pid": 3, "path": "ingress", "frames": 5},
    {"pid": 4, "path": "ingress", "frames": 10},
]


def test_a_frame_takes_the_difference() -> None:
    counts = {1: 1_000_000, 2: 1_050_000, 3: 4_000_000, 4: 9_000_000}
    assert per_frame(DONE, counts) == {CODEC: 5.0, INGRESS: 1_000.0}


@pytest.mark.parametrize("done", [DONE, DONE[:2], []])
def test_without_all_counts_there_is_no_figure(done: list[dict[str, object]]) -> None:
    with pytest.raises(BenchError, match="no count"):
        per_frame(done, {1: 1, 2: 2, 3: 3})
