"""Many calls at once, in one process and one event loop."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from adapters.media.clients.audiosocket import AudioSocketClient
from adapters.media.clients.base import CallLeg, MediaClient
from adapters.media.registry import client_by_name
from models.errors import InvalidField
from runtime.replay.answers import Answer
from runtime.replay.call import Line, place_call, utc_now
from runtime.replay.caller import Caller
from runtime.replay.metronome import Metronome
from runtime.replay.record import CallRecord
from runtime.replay.script import AwaitHangup, Dial, Say, Script, again
from runtime.replay.server_load import ServerSample, ServerWatch
from runtime.replay.tcp_link import uuid_of

RATES_HZ: Mapping[str, int] = {"plain": 16_000, "voipbin": 16_000}
"""Rate at which the harness speaks a protocol, Hz; 8000 where nothing stands here."""

SPEECH_BYTES: Final = 256_000_000
"""How much of the bots' audio a run keeps for checks, shared evenly by its calls: with 100 calls at 8000 Hz the first
160 s of what each bot says."""


class Phase(StrEnum):
    """How the beginnings of the calls lie within the ramp."""

    EVEN = "even"
    """At even distances."""
    RANDOM = "random"
    """Anywhere, as callers who know nothing of each other."""
    BURST = "burst"
    """All at once; there is no ramp."""


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
        hold_s: How long all calls stay up together, counted from the end of the ramp, seconds: each caller begins the
            script again until then. 0 for once through the script.
        phase: How the beginnings lie within the ramp.
        seed: What `Phase.RANDOM` is drawn from; the same seed makes the same beginnings.
        keep_speech: Whether the records keep the bot's audio without its silence, up to `SPEECH_BYTES` in all.
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
    hold_s: float = 0.0
    phase: Phase = Phase.EVEN
    seed: int = 0
    keep_speech: bool = False

    @property
    def turns(self) -> int:
        """How often the callers of all calls take their turn."""
        return self.calls * sum(isinstance(step, Say | Dial) for step in self.script)

    def beginnings_s(self) -> list[float]:
        """Return when each call begins, seconds since the beginning of the run, ascending.

        Raises:
            InvalidField: Field ``ramp``: it does not go with the phase.
        """
        match self.phase:
            case Phase.EVEN:
                return [self.ramp_s * index / self.calls for index in range(self.calls)]
            case Phase.RANDOM:
                if not self.ramp_s:
                    raise InvalidField("ramp", "random beginnings need a ramp to lie in")
                draw = random.Random(self.seed)  # noqa: S311 - a load, not a secret
                return sorted(draw.uniform(0.0, self.ramp_s) for _ in range(self.calls))
            case Phase.BURST:
                if self.ramp_s:
                    raise InvalidField("ramp", "a burst has none")
                return [0.0] * self.calls


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
        begun_s: For each call when it began, seconds since the beginning of the run.
        server: What the server's process took meanwhile, when it was watched.
        answers: What the bot said, where that was judged.
    """

    plan: Plan
    started_at: datetime
    duration_s: float
    cpu_s: float
    # Not in its words: asyncio's runner puts what its task returned into words, a float for each frame of each call.
    records: list[CallRecord] = field(repr=False)
    begun_s: Sequence[float] = ()
    server: Sequence[ServerSample] = ()
    answers: Sequence[Answer] = ()


def require_leg(protocol: str, sample_rate_hz: int) -> None:
    """Check that the harness can speak a protocol at a rate.

    Raises:
        InvalidField: Field ``protocol``: unknown. ``sample_rate_hz``: not one of the protocol's rates.
    """
    client_by_name(protocol)(_leg(sample_rate_hz))


def rate_of(protocol: str) -> int:
    """Return the rate at which the harness speaks a protocol, Hz."""
    return RATES_HZ.get(protocol, 8000)


async def run_plan(
    plan: Plan,
    on_progress: Callable[[Progress], None] | None = None,
    wall_clock: Callable[[], datetime] = utc_now,
    watch: ServerWatch | None = None,
) -> Run:
    """Place all calls and wait until the last one is over.

    A call that fails does not disturb the others. Each call keeps its own beat from the moment it is accepted, so that
    the frames of many calls are spread over the 20 ms as those of real phones are.

    Args:
        plan: What to do.
        on_progress: Called after each change.
        wall_clock: Where the wall-clock times of the records come from.
        watch: Looks at the server's process while the run goes on; None for none.

    Raises:
        InvalidField: Field ``protocol`` or ``sample_rate_hz``: the harness cannot speak it. ``ramp``: it does not go
            with the phase. ``hold``: the script has no turn to repeat, or waits for a hang-up.
    """
    beginnings_s = plan.beginnings_s()
    _check_hold(plan)
    require_leg(plan.protocol, plan.sample_rate_hz)
    client = _client_of(plan)
    line = Line(
        plan.url,
        headers=plan.headers,
        tls=ssl.create_default_context() if plan.url.startswith("wss:") else None,
        connect_timeout_s=plan.connect_timeout_s,
    )
    metronome = Metronome()
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
        await asyncio.sleep(beginnings_s[index])
        caller = Caller(
            client(_leg(plan.sample_rate_hz, plan.from_, plan.to)),
            plan.script,
            index=index,
            keep_audio=plan.keep_audio,
            speech_bytes=SPEECH_BYTES // plan.calls if plan.keep_speech else 0,
            hold_ms=(plan.ramp_s - beginnings_s[index] + plan.hold_s) * 1000 if plan.hold_s else 0.0,
            on_progress=turn_taken,
        )
        progress.talking += 1
        report()
        record = await place_call(line, caller, wall_clock, metronome)
        progress.talking -= 1
        progress.ended += 1
        progress.failed += record.failure is not None
        if not plan.hold_s:
            progress.turns += per_call - len(record.turns)
        report()
        return record

    clock = asyncio.get_running_loop().time
    started_at, started_s, cpu_s = wall_clock(), clock(), time.process_time()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run(lambda: progress.talking)) if watch else None
        calls = [group.create_task(one_call(index)) for index in range(plan.calls)]
        await asyncio.wait(calls)
        if watching:
            watching.cancel()
    return Run(
        plan,
        started_at,
        clock() - started_s,
        time.process_time() - cpu_s,
        [call.result() for call in calls],
        beginnings_s,
        watch.samples if watch else (),
    )


def _check_hold(plan: Plan) -> None:
    if not plan.hold_s:
        return
    if not again(plan.script):
        raise InvalidField("hold", "the callers have nothing to say or key again")
    if any(isinstance(step, AwaitHangup) for step in plan.script):
        raise InvalidField("hold", "a call that waits for the hang-up cannot be held")


def _client_of(plan: Plan) -> Callable[[CallLeg], MediaClient]:
    if plan.protocol == AudioSocketClient.name:
        # Its URL is not that of a request: what opens the call is the first thing that is sent.
        return partial(AudioSocketClient, uuid=uuid_of(plan.url))
    return client_by_name(plan.protocol)


def _leg(sample_rate_hz: int, from_: str = "", to: str = "") -> CallLeg:
    return CallLeg(
        stream_id=f"MZ{uuid.uuid4().hex}",
        call_id=f"CA{uuid.uuid4().hex}",
        account_id=f"AC{uuid.UUID(int=0).hex}",
        sample_rate_hz=sample_rate_hz,
        from_=from_,
        to=to,
    )
