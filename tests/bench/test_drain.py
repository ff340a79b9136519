from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.drain import Figures, measure

WELL = Figures(
    calls=3,
    placed=[2, 1],
    refused=20,
    newcomers=20,
    ended=Counter({("terminated", "hangup"): 3}),
    exit_code=0,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"cut": 1},
        {"refused": 19},
        {"newcomers": 0, "refused": 0},
        {"exit_code": 1},
        {"exit_code": None},
        {"ended": Counter({("terminated", "hangup"): 2, ("terminated", "drain"): 1})},
        {"ended": Counter({("terminated", "hangup"): 2, ("progressing", ""): 1})},
    ],
)
def test_what_is_not_well(changes: dict[str, Any]) -> None:
    assert WELL.well
    assert not replace(WELL, **changes).well


@pytest.mark.timeout(600)
async def test_a_few_calls(tmp_path: Path) -> None:
    figures = await measure(calls=4, processes=2, seconds=0.5, folder=tmp_path)
    assert figures.well, figures.lines()
    assert sorted(figures.placed) == [2, 2]
    # A supervisor that holds what calls need would be as large as a worker.
    assert figures.supervisor_mb < 0.4 * figures.worker_mb
