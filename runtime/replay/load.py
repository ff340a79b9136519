"""Many calls at once, in one process and one event loop."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from adapters.media.client_base import CallLeg
from adapters.media.registry import client_by_name
from runtime.replay.call import Line, place_call, utc_now
from runtime.replay.caller import Caller
from runtime.replay.record import CallRecord
from runtime.replay.script import Dial, Say, Script

RATES_HZ: Mapping[str, int] = {"plain": 16_000}
"""Rate at which the harness speaks a protocol, Hz; 8000 where nothing stands here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run.

    Attributes:
        url: Media URL, ``ws://`` or ``wss://``.
        script: What each caller does; its utterances have the rate `sample_rate_hz`.
        protocol: Name of the media protocol.
        sample_rate_hz: Rate of the calls, Hz.
        calls: How many calls.
        ramp_s: Over how many seconds their beginnings are spread.
        from_: Calling number.
        to: Called number.
        headers: Extra headers of the upgrade request.
        keep_audio: Whether the records keep both sides' audio: 2 x 2 bytes a sample and call.
        connect_timeout_s: Longest wait for the accepted WebSocket, seconds.
    """

    url: str
    script: Script
    protocol: str = "twilio"
    sample_rate_hz: int = 8000
    calls: int = 1
    ramp_s: float = 0.0
    from_: str = ""
    to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    keep_audio: bool = False
    connect_timeout_s: float = 10.0

    @property
    def turns(self) -> int:
        """How often the callers of all calls take their turn."""
        return self.calls * sum(isinstance(step, Say | Dial) for step in self.script)


@dataclass(slots=True)
class Progress:
    """How far a run has come.

    Attributes:
        turns: Turns that were taken, or that a call's end has made impossible.
        talking: Calls that have begun and not ended.
        ended: Calls that have ended, failed ones included.
        failed: Calls that have failed.
    """

    turns: int = 0
    talking: int = 0
    ended: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left behind.

    Attributes:
        plan: What was to be done.
        started_at: Wall-clock time of its beginning, UTC.
        duration_s: How long it took, seconds.
        cpu_s: Processor time that the harness's process took, seconds.
        records: The calls, in the order of their beginnings.
    """

    plan: Plan
    started_at: datetime
    duration_s: float
    cpu_s: float
    records: list[CallRecord]


def rate_of(protocol: str) -> int:
    """Return the rate at which the harness speaks a protocol, Hz."""
    return RATES_HZ.get(protocol, 8000)


async def run_plan(
    plan: Plan, on_progress: Callable[[Progress], None] | None = None, wall_clock: Callable[[], datetime] = utc_now
) -> Run:
    """Place all calls and wait until the last one is over.

    A call that fails does not disturb the others. Each call keeps its own beat from the moment it is accepted, so that
    the frames of many calls are spread over the 20 ms as those of real phones are.

    Args:
        plan: What to do.
        on_progress: Called after each change.
        wall_clock: Where the wall-clock times of the records come from.

    Raises:
        InvalidField: Field ``protocol`` or ``sample_rate_hz``: the harness cannot speak it.
    """
    client = client_by_name(plan.protocol)
    client(_leg(plan))
    line = Line(
        plan.url,
        headers=plan.headers,
        subprotocol=client.subprotocol,
        tls=ssl.create_default_context() if plan.url.startswith("wss:") else None,
        connect_timeout_s=plan.connect_timeout_s,
    )
    progress = Progress()
    per_call = plan.turns // max(1, plan.calls)

    def report() -> None:
        if on_progress:
            on_progress(progress)

    def turn_taken(record: CallRecord) -> None:
        del record
        progress.turns += 1
        report()

    async def one_call(index: int) -> CallRecord:
        await asyncio.sleep(plan.ramp_s * index / plan.calls)
        caller = Caller(
            client(_leg(plan)), plan.script, index=index, keep_audio=plan.keep_audio, on_progress=turn_taken
        )
        progress.talking += 1
        report()
        record = await place_call(line, caller, wall_clock)
        progress.talking -= 1
        progress.ended += 1
        progress.failed += record.failure is not None
        progress.turns += per_call - len(record.turns)
        report()
        return record

    clock = asyncio.get_running_loop().time
    started_at, started_s, cpu_s = wall_clock(), clock(), time.process_time()
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one_call(index)) for index in range(plan.calls)]
    return Run(plan, started_at, clock() - started_s, time.process_time() - cpu_s, [call.result() for call in calls])


def _leg(plan: Plan) -> CallLeg:
    return CallLeg(
        stream_id=f"MZ{uuid.uuid4().hex}",
        call_id=f"CA{uuid.uuid4().hex}",
        account_id=f"AC{uuid.UUID(int=0).hex}",
        sample_rate_hz=plan.sample_rate_hz,
        from_=plan.from_,
        to=plan.to,
    )
