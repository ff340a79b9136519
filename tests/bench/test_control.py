from pathlib import Path

from bench.control import Timer
from bench.processes import control


def test_what_was_noted_is_taken_once() -> None:
    timer = Timer()
    timer.late_ms += [1.0, 2.0]
    assert timer.take() == [1.0, 2.0]
    assert timer.take() == []


async def test_the_timer_ticks_in_a_process_of_its_own(tmp_path: Path) -> None:
    async with control(None, tmp_path / "control.log") as timer:
        await timer.ask("watch")
        found: dict[str, object] = {"p99_ms": None}
        while found["p99_ms"] is None:
            found = await timer.ask("report")
        assert found["max_ms"] >= found["p99_ms"]
        assert isinstance(found["real_time"], bool)
