"""One seat of a team's call: the members' services stand in it, and one of them has it.

A member's service is made and connected beside the one that has the seat when it is needed for the first time, and is
kept for the rest of the call. A change does not cut anything off: a frame is sent through the service that has the
seat, behind everything that it has in its hands, and only where that frame comes out the other one takes over. What
comes in meanwhile waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    ControlFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    ServiceMetadataFrame,
    StartFrame,
    SystemFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.services.websocket_service import WebsocketService
from pipecat.utils.errors import ErrorCategory

from adapters.breaker import Circuit
from adapters.reconnects import TellsAlive
from models.errors import AicallError
from pipelines.failover.enclosure import Enclosure
from pipelines.failover.failover import Failover, FailoverListener
from pipelines.failover.failures import Seat
from pipelines.team.plan import SeatPlan

_PREPARE_S = 4.0
"""How long a member's service may take to be set up and to connect, seconds."""
_LAST_WORK_S = 30.0
"""How long the service that has the seat may take to finish what it has in its hands, seconds."""
_FAREWELL_S = 2.0
"""How long a service may take to let go of its vendor at the end of the call, seconds."""


@dataclass
class MemberChangedFrame(ControlFrame):
    """Everything behind this frame is the next member's.

    Attributes:
        keys: The next member's service of each seat, by `SeatPlan.key`.
    """

    keys: Mapping[Seat, Hashable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        # The caller's next word must not leave the call between two members.
        self.interruptible = False


class Warm(Enclosure):
    """A member's service, kept for the rest of the call."""

    def __init__(
        self, plan: SeatPlan, service: FrameProcessor, left: Callable[[Warm, Frame, FrameDirection], Any]
    ) -> None:
        super().__init__(service, left)
        self.plan = plan
        self.ready = asyncio.Event()
        self.connected = asyncio.Event()
        self.failed = False
        self.metadata: dict[type[Frame], Frame] = {}
        if isinstance(service, (WebsocketService, TellsAlive)):
            service.add_event_handler("on_connected", self._on_connected)
        else:
            # It asks its vendor only when it has something to do, or has others that take its place.
            self.connected.set()

    async def _on_connected(self, service: object) -> None:
        del service
        self.connected.set()

    def fail(self) -> None:
        """Note that it does not come up."""
        self.failed = True
        self.ready.set()
        self.connected.set()


class MemberSeat(FrameProcessor):
    """A seat whose service changes with the member that has the call.

    Args:
        seat: The seat.
        plan: The first member's service.

    Raises:
        AicallError: It cannot be used.
    """

    def __init__(self, seat: Seat, plan: SeatPlan) -> None:
        # In direct mode a frame costs no queue and no task; the service behind has its own.
        super().__init__(enable_direct_mode=True)
        self.seat = seat
        self.on_changed: Callable[[], None] = lambda: None
        """Called when the seat is the next member's. Must return at once."""
        self._start: StartFrame | None = None
        self._over = False
        self._held: deque[tuple[Frame, FrameDirection]] = deque()
        self._marker: MemberChangedFrame | None = None
        self._target: Warm | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._arriving: asyncio.Task[None] | None = None
        self._preparing: set[asyncio.Task[bool]] = set()
        self._handing: set[asyncio.Task[None]] = set()
        self._listener: FailoverListener | None = None
        self._on_error: list[Any] = []
        self._active = self._made(plan)
        self._warm: dict[Hashable, Warm] = {plan.key: self._active}

    # What others ask of it.

    def watch(self, listener: FailoverListener) -> None:
        """Tell this listener of the vendors that replace each other in any member's service."""
        self._listener = listener
        for warm in self._warm.values():
            if isinstance(warm.service, Failover):
                warm.service.watch(listener)

    def add_event_handler(self, event_name: str, handler: Any) -> None:
        """Add an event handler; one for errors is told of those of every service."""
        super().add_event_handler(event_name, handler)
        if event_name == "on_error":
            self._on_error.append(handler)
            for warm in self._warm.values():
                warm.service.add_event_handler(event_name, handler)

    @property
    def provider(self) -> str:
        """The vendor that has the seat now."""
        service = self._active.service
        return service.provider if isinstance(service, Failover) else self._active.plan.provider

    @property
    def circuit(self) -> Circuit | None:
        """What the process knows of the vendor that has the seat now, if the member names but one."""
        try:
            return self._active.plan.circuit()
        except AicallError:
            return None

    @property
    def service(self) -> FrameProcessor:
        """The vendor's service that has the seat now."""
        service = self._active.service
        return service.service if isinstance(service, Failover) else service

    @property
    def key(self) -> Hashable:
        """Which member's service has the seat now."""
        return self._active.plan.key

    @property
    def is_usable(self) -> bool:
        """Whether the service that has the seat can do its work."""
        return self._active.service.is_usable

    async def stalled(self) -> bool:
        """Have the service replaced because nothing comes from it.

        Returns:
            Whether another one takes its place.
        """
        if self._marker is not None:
            self._take_over()
            return True
        service = self._active.service
        return isinstance(service, Failover) and await service.stalled()

    async def prepare(self, plan: SeatPlan) -> bool:
        """Have a service ready; who gives up waiting does not stop it.

        Args:
            plan: How it is made.

        Returns:
            Whether it is.
        """
        warm = self._warm.get(plan.key)
        if warm is not None and warm.service.is_usable:
            return True
        if warm is self._active:
            return False
        task = self.create_task(self._prepare(plan), f"{self}::prepare")
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)
        return await asyncio.shield(task)

    def change(self, marker: MemberChangedFrame) -> None:
        """Let another service take over, behind everything that came in so far.

        Args:
            marker: Names the service, which is ready. It goes on to the next seat when this one has changed.
        """
        self._target = self._warm.get(marker.keys[self.seat], self._active)
        self._marker = marker
        self._timer = asyncio.get_running_loop().call_later(_LAST_WORK_S, self._take_over)
        self._keep(self.create_task(self._active.service.queue_frame(marker), f"{self}::mark"))

    def hand_over(self, note: Frame, marker: MemberChangedFrame) -> None:
        """Send a note out of this seat, and then `change`. Returns at once.

        Args:
            note: Goes downstream ahead of everything that the next service says.
            marker: As in `change`.
        """
        self._keep(self.create_task(self.push_frame(note), f"{self}::note"))
        self.change(marker)

    # Frames on their way in.

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set up the first service."""
        await super().setup(setup)
        await self._active.setup(setup)

    async def cleanup(self) -> None:
        """Release every service."""
        self._over = True
        self._cancel_timer()
        await super().cleanup()  # type: ignore[no-untyped-call]
        tasks: list[asyncio.Task[Any]] = [*self._preparing, *self._handing]
        if self._arriving is not None:
            tasks.append(self._arriving)
        for task in tasks:
            await self.cancel_task(task)
        for warm in list(self._warm.values()):
            if warm is not self._active and warm.started:
                await self._dismiss(warm)
            await warm.release()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hand a frame to the service that has the seat."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._start = frame
        elif isinstance(frame, (CancelFrame, EndFrame)):
            self._over = True
        elif isinstance(frame, InterruptionFrame):
            await self._interrupt(frame)
        if self._waits and not isinstance(frame, SystemFrame):
            self._held.append((frame, direction))
        else:
            await self._enter(frame, direction)

    @property
    def _waits(self) -> bool:
        return self._marker is not None or self._arriving is not None

    async def _enter(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, MemberChangedFrame) and direction is FrameDirection.DOWNSTREAM:
            self.change(frame)
            return
        self._entering(frame)
        if isinstance(frame, StartFrame):
            self._active.started = True
        await self._active.service.queue_frame(frame, direction)

    async def _interrupt(self, frame: InterruptionFrame) -> None:
        self._held = deque(it for it in self._held if not it[0].interruptible)
        for warm in self._warm.values():
            if warm is not self._active and warm.tools:
                # Its tools belong to what the caller has just cut off.
                await warm.service.queue_frame(frame)

    def _entering(self, frame: Frame) -> None:
        """Note what the service gets."""

    # Frames on their way out.

    async def _left(self, warm: Warm, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, ServiceMetadataFrame) and direction is FrameDirection.DOWNSTREAM:
            warm.metadata[type(frame)] = frame
        if warm is not self._active:
            await self._left_idle(warm, frame, direction)
            return
        if frame is self._marker:
            self._take_over()
            return
        if isinstance(frame, ErrorFrame) and frame.processor is warm.service:
            if self._marker is not None and frame.category is not ErrorCategory.APPLICATION:
                logger.warning("{} {} failed with its last work", self.seat, self.provider)
                self._take_over()
                return
            frame.processor = self
        warm.note_tool(frame)
        self._leaving(frame)
        await self.push_frame(frame, direction)

    async def _left_idle(self, warm: Warm, frame: Frame, direction: FrameDirection) -> None:
        match frame:
            case StartFrame():
                warm.ready.set()
            case CancelFrame():
                warm.done_with.set()
            case ErrorFrame() if frame.category is not ErrorCategory.APPLICATION:
                warm.fail()
            case _ if warm.note_tool(frame):
                await self.push_frame(frame, direction)
            case _:
                pass

    def _leaving(self, frame: Frame) -> None:
        """Note what comes from the service."""

    # Changing.

    def _take_over(self) -> None:
        """Give the seat to whoever is to have it. What waits follows in a task: the one that is here may be cut off."""
        marker, target = self._marker, self._target
        self._cancel_timer()
        self._marker = self._target = None
        if marker is None or target is None:
            return
        changed, self._active = target is not self._active, target
        self._arriving = self.create_task(self._arrive(marker, changed=changed), f"{self}::arrive")

    async def _arrive(self, marker: MemberChangedFrame, *, changed: bool) -> None:
        if changed:
            await self._announce()
        self.on_changed()
        await self.push_frame(marker)
        while self._held and self._marker is None:
            frame, direction = self._held.popleft()
            await self._enter(frame, direction)
        self._arriving = None

    async def _announce(self) -> None:
        for frame in self._active.metadata.values():
            await self.push_frame(frame)

    # Making.

    def _made(self, plan: SeatPlan) -> Warm:
        warm = Warm(plan, plan.make(), self._left)
        for handler in self._on_error:
            warm.service.add_event_handler("on_error", handler)
        if self._listener is not None and isinstance(warm.service, Failover):
            warm.service.watch(self._listener)
        return warm

    async def _prepare(self, plan: SeatPlan) -> bool:
        previous = self._warm.pop(plan.key, None)
        if previous is not None:
            await self._dismiss(previous)
            await previous.release()
        try:
            warm = self._made(plan)
        except AicallError as error:
            logger.warning("{} {} cannot be used: {}", self.seat, plan.provider, error.message)
            return False
        self._warm[plan.key] = warm
        try:
            async with asyncio.timeout(_PREPARE_S):
                await warm.setup(self.processor_setup)
                if self._start is not None and not warm.failed:
                    warm.started = True
                    await warm.service.queue_frame(self._start)
                    await warm.ready.wait()
                    await warm.connected.wait()
        except TimeoutError:
            warm.failed = True
        except Exception:  # noqa: BLE001 - the call goes on with the member that has it
            logger.exception("{} {} could not be set up", self.seat, plan.provider)
            warm.failed = True
        if self._over or (not warm.failed and warm.service.is_usable):
            return not self._over
        logger.warning("{} {} cannot be reached", self.seat, plan.provider)
        del self._warm[plan.key]
        await self._dismiss(warm)
        await warm.release()
        return False

    async def _dismiss(self, warm: Warm) -> None:
        """Have a service that does not have the seat let go of its vendor."""
        if not warm.started:
            return
        warm.done_with.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await warm.service.queue_frame(CancelFrame())
                await warm.done_with.wait()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._handing.add(task)
        task.add_done_callback(self._handing.discard)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
