"""What the server's process takes while a run goes on: processor and memory, its children included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from models.errors import InvalidField

if TYPE_CHECKING:
    import psutil

_BYTES_PER_MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class ServerSample:
    """One look.

    Attributes:
        at_s: When, seconds since the watch began.
        cpu_percent: Processor time since the look before, per cent of one core.
        rss_mb: Resident memory, MB (10^6 bytes); what processes share counts for each of them.
        calls: How many calls were up.
    """

    at_s: float
    cpu_percent: float
    rss_mb: float
    calls: int


def server_of(samples: Sequence[ServerSample]) -> dict[str, Any] | None:
    """Return the figures of the report, or None when the process was not watched.

    The share of one call is taken while at least nine tenths of the most calls were up.
    """
    if not samples:
        return None
    most = max(sample.calls for sample in samples)
    full = [sample for sample in samples if sample.calls and sample.calls >= most * 0.9]
    per_call = sum(sample.cpu_percent / sample.calls for sample in full) / len(full) if full else None
    memory = [sample.rss_mb for sample in samples]
    return {
        "cpu_mean_percent": round(sum(sample.cpu_percent for sample in samples) / len(samples), 2),
        "cpu_max_percent": round(max(sample.cpu_percent for sample in samples), 2),
        "cpu_per_call_percent": None if per_call is None else round(per_call, 3),
        "rss_max_mb": round(max(memory), 1),
        "rss_growth_mb": round(memory[-1] - memory[0], 1),
        "samples": [
            {
                "at_s": round(sample.at_s, 2),
                "cpu_percent": round(sample.cpu_percent, 1),
                "rss_mb": round(sample.rss_mb, 1),
                "calls": sample.calls,
            }
            for sample in samples
        ],
    }


class ServerWatch:
    """Looks at a process of this machine once in a while.

    Attributes:
        samples: What was seen, oldest first.
    """

    def __init__(self, pid: int, *, interval_s: float = 1.0) -> None:
        """Find the process.

        Args:
            pid: Its id.
            interval_s: Time from one look to the next, seconds.

        Raises:
            InvalidField: Field ``pid``: no such process, not ours to look at, or the psutil package is missing.
        """
        try:
            import psutil  # noqa: PLC0415 - only runs that watch a process need the package
        except ImportError as error:
            raise InvalidField("pid", "needs the psutil package") from error
        self.samples: list[ServerSample] = []
        self._interval_s = interval_s
        self._error = psutil.Error
        try:
            self._process = psutil.Process(pid)
            self._used()
        except psutil.Error as error:
            raise InvalidField("pid", "no such process, or none that may be looked at") from error

    async def run(self, calls: Callable[[], int]) -> None:
        """Look until cancelled, or until the process is gone.

        The look itself is made in a thread: it reads some files for each process.

        Args:
            calls: How many calls are up.
        """
        clock = asyncio.get_running_loop().time
        begun_s = then_s = clock()
        try:
            seconds, _ = await asyncio.to_thread(self._used)
            while True:
                await asyncio.sleep(self._interval_s)
                now_s, (used_s, rss_bytes) = clock(), await asyncio.to_thread(self._used)
                # A child that has ended takes its share with it.
                percent = max(0.0, 100 * (used_s - seconds) / (now_s - then_s))
                self.samples.append(ServerSample(now_s - begun_s, percent, rss_bytes / _BYTES_PER_MB, calls()))
                seconds, then_s = used_s, now_s
        except self._error:
            return

    def _used(self) -> tuple[float, int]:
        """Return processor time, seconds, and memory, bytes."""
        seconds, size = _of(self._process)
        for child in self._process.children(recursive=True):
            try:
                more_s, more = _of(child)
            except self._error:  # has just ended
                continue
            seconds, size = seconds + more_s, size + more
        return seconds, size


def _of(process: psutil.Process) -> tuple[float, int]:
    with process.oneshot():
        times = process.cpu_times()
        return times.user + times.system, process.memory_info().rss
