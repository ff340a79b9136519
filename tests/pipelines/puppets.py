"""Services for the tests of seats with several vendors: they take what a vendor's takes, and say what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.errors import ErrorCategory

from adapters.breaker import BreakerSettings, Circuit
from pipelines.failover.failover import Candidate

F = TypeVar("F", bound=Frame)


class Puppet(FrameProcessor):
    """A service of which a test pulls the strings.

    Args:
        takes: The frames that it does not pass on.

    Attributes:
        got: Every frame that came downstream.
    """

    def __init__(self, takes: tuple[type[Frame], ...]) -> None:
        super().__init__()
        self.got: list[Frame] = []
        self._takes = takes
        self._changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            async with self._changed:
                self.got.append(frame)
                self._changed.notify_all()
        if not isinstance(frame, self._takes):
            await self.push_frame(frame, direction)

    def of(self, kind: type[F]) -> list[F]:
        return [frame for frame in self.got if isinstance(frame, kind)]

    async def until_got(self, kind: type[F], count: int = 1) -> list[F]:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    async def say(self, *frames: Frame) -> None:
        for frame in frames:
            await self.push_frame(frame)

    async def fail(self, category: ErrorCategory = ErrorCategory.CONNECTIVITY) -> None:
        await self.push_error("no", category=category)


class Puppets:
    """Two of them, the second one made when it is needed."""

    def __init__(self, make: Callable[[], Puppet]) -> None:
        self.made: list[Puppet] = []
        self._make = make
        self._changed = asyncio.Event()
        self.candidates = [
            Candidate(name, Circuit("seat", name, BreakerSettings(), lambda: 0.0), self._one) for name in ("a", "b")
        ]

    @property
    def first(self) -> Puppet:
        return self.made[0]

    async def second(self) -> Puppet:
        async with asyncio.timeout(10):
            while len(self.made) < 2:
                self._changed.clear()
                await self._changed.wait()
        return self.made[1]

    def _one(self) -> Puppet:
        self.made.append(self._make())
        self._changed.set()
        return self.made[-1]
