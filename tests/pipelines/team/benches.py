"""Services for the tests of a team's seats: each does jobs one after the other, when the test lets it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pipecat.frames.frames import (
    CancelFrame,
    ControlFrame,
    DataFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    STTMetadataFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from adapters.breaker import BreakerSettings, Circuit
from models.errors import InvalidField
from pipelines.failover.failures import Seat
from pipelines.team.plan import SeatPlan
from pipelines.team.seat import MemberChangedFrame


@dataclass
class Job(DataFrame):
    """Something to be done."""

    number: int = 0


@dataclass
class Done(ControlFrame):
    """A job that was done."""

    by: str = ""
    number: int = 0


class Service(FrameProcessor):
    """Does jobs.

    Args:
        label: Its name.
        refuses: Whether its vendor refuses it when it is started.
        hangs: Whether it never comes up.
    """

    def __init__(self, label: str, *, refuses: bool = False, hangs: bool = False) -> None:
        super().__init__()
        self.label = label
        self.may_work = asyncio.Event()
        self.may_work.set()
        self.usable = True
        self.started = self.cancelled = self.released = 0
        self.heard: list[bytes] = []
        self._refuses = refuses
        self._hangs = hangs

    @property
    def is_usable(self) -> bool:
        return self.usable

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        await super().setup(setup)
        if self._hangs:
            await asyncio.Event().wait()

    async def cleanup(self) -> None:
        self.released += 1
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case StartFrame():
                self.started += 1
                if self._refuses:
                    await self.fail(ErrorCategory.AUTHENTICATION)
                await self.push_frame(STTMetadataFrame(service_name=self.label, ttfs_p99_latency=0.1 * len(self.label)))
            case CancelFrame():
                self.cancelled += 1
            case InputAudioRawFrame():
                self.heard.append(frame.audio)
                return
            case Job():
                await self.may_work.wait()
                await self.push_frame(Done(self.label, frame.number))
                return
            case _:
                pass
        await self.push_frame(frame, direction)

    async def fail(self, category: ErrorCategory = ErrorCategory.CONNECTIVITY) -> None:
        await self.push_error("no", category=category)


class Cast:
    """Plans by the letters of their names; the services as they are made."""

    def __init__(self, seat: Seat, **how: dict[str, bool]) -> None:
        self.seat = seat
        self.made: dict[str, list[Service]] = {}
        self.missing: set[str] = set()
        self.how = how

    def plan(self, name: str) -> SeatPlan:
        return SeatPlan(
            key=name,
            provider=name,
            make=lambda: self._make(name),
            circuit=lambda: Circuit(self.seat.value, name, BreakerSettings(), lambda: 0.0),
        )

    def marker(self, name: str) -> MemberChangedFrame:
        return MemberChangedFrame({self.seat: name})

    def __getitem__(self, name: str) -> Service:
        return self.made[name][-1]

    def _make(self, name: str) -> Service:
        if name in self.missing:
            raise InvalidField("tts_voice_id", "is required")
        service = Service(name, **self.how.get(name, {}))
        self.made.setdefault(name, []).append(service)
        return service
