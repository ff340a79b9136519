"""Looks at the machine while a load is on: who takes which core, and what disturbs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from bench.processes import Child, Cores
from bench.steps import Noise


@dataclass(frozen=True, slots=True)
class Books:
    """What was taken so far, seconds.

    Attributes:
        at_s: When.
        server_core_s: Busy time of the server's core, None where the processes are not pinned.
        callers_core_s: That of the callers' core.
        server_s: Processor time of the server.
        callers_s: That of the callers, which is this process.
        stand_ins_s: That of the vendors' stand-ins.
        rss_mb: Resident memory of the server, MB.
    """

    at_s: float
    server_core_s: float | None
    callers_core_s: float | None
    server_s: float
    callers_s: float
    stand_ins_s: float
    rss_mb: float


@dataclass(slots=True)
class Watch:
    """Reads the books.

    Attributes:
        cores: How the processes are pinned.
        stand_ins: The vendors' stand-ins.
        control: The bare timer on the server's core.
    """

    cores: Cores
    stand_ins: Child
    control: Child

    async def begin(self, server: Child) -> Books:
        """Begin a look.

        Raises:
            BenchError: A process is gone.
        """
        await self.control.ask("watch")
        return self.read(server)

    def read(self, server: Child) -> Books:
        """Return the books as they stand.

        Raises:
            BenchError: A process is gone.
        """
        busy = _busy_s()
        return Books(
            at_s=time.monotonic(),
            server_core_s=None if self.cores.server is None else busy[self.cores.server],
            callers_core_s=None if self.cores.rest is None else busy[self.cores.rest],
            server_s=server.cpu_s(),
            callers_s=time.process_time(),
            stand_ins_s=self.stand_ins.cpu_s(),
            rss_mb=server.rss_mb(),
        )

    async def end(self, first: Books, last: Books, callers_late_p99_ms: float | None) -> Noise:
        """End a look.

        Args:
            first: The books at its beginning.
            last: The books at its end.
            callers_late_p99_ms: How late the callers sent their frames.

        Raises:
            BenchError: The control is gone.
        """
        timer = await self.control.ask("report")
        return Noise(
            control_p99_ms=timer["p99_ms"],
            control_max_ms=timer["max_ms"],
            control_real_time=timer["real_time"],
            foreign_pct=foreign_pct(first, last),
            callers_pct=_pct(last.callers_s - first.callers_s, first, last),
            stand_ins_pct=_pct(last.stand_ins_s - first.stand_ins_s, first, last),
            callers_late_p99_ms=callers_late_p99_ms,
        )


def foreign_pct(first: Books, last: Books) -> float | None:
    """Return what other processes took of one of the two cores, the worse one, % of a core; None when not known."""
    if (
        first.server_core_s is None
        or last.server_core_s is None
        or first.callers_core_s is None
        or last.callers_core_s is None
    ):
        return None
    on_server = last.server_core_s - first.server_core_s - (last.server_s - first.server_s)
    ours_s = last.callers_s - first.callers_s + last.stand_ins_s - first.stand_ins_s
    on_callers = last.callers_core_s - first.callers_core_s - ours_s
    shares = (_pct(on_server, first, last), _pct(on_callers, first, last))
    known = [share for share in shares if share is not None]
    return max(0.0, *known) if known else None


def _pct(taken_s: float, first: Books, last: Books) -> float | None:
    elapsed_s = last.at_s - first.at_s
    return 100 * taken_s / elapsed_s if elapsed_s > 0 else None


def _busy_s() -> list[float]:
    """Return each core's busy time, seconds; what a hypervisor has stolen counts as busy."""
    return [
        sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))
        for times in psutil.cpu_times(percpu=True)
    ]
