"""One seat of a call with more than one vendor: when one fails, the next takes its place in the middle of the call.

It stands in the pipeline where the service would stand. Only one vendor's service exists at a time: the others are made
when they are needed and cost nothing before. Pipecat's ``ServiceSwitcher`` is not used: it sets up and connects all of
its services when the call begins, and what the failed one had in its hands is gone.

What is common to all seats is here; what each has in its hands, and how it is handed over, is in `failover_stt`,
`failover_llm` and `failover_tts`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loguru import logger
from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, StartFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from adapters.breaker import Circuit
from adapters.vendor_errors import STALLED
from models.errors import AicallError
from pipelines.failover.enclosure import Enclosure
from pipelines.failover.failures import Seat

_RETRY_AFTER_S = 30.0
"""How long a call leaves a vendor alone that failed in it for a passing reason, seconds."""
_SETUP_S = 0.8
"""How long a new service may take to be set up before the next one is taken, seconds: ours connect later."""
_LAST_WORK_S = 60.0
"""How long a service that failed may go on with the tools that it has called, seconds."""
_FAREWELL_S = 2.0
"""How long a service that failed may take to let go of its vendor, seconds."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A vendor that can take a seat.

    Attributes:
        provider: Its name in the seat's table.
        circuit: What the process knows of it.
        make: Makes the service; opens no connection. Raises `AicallError` when it cannot be used.
    """

    provider: str
    circuit: Circuit
    make: Callable[[], FrameProcessor]


@dataclass(frozen=True, slots=True)
class Switch:
    """One vendor took another one's place.

    Attributes:
        seat: The seat.
        failed: Who failed.
        successor: Who took over.
        category: Why: the value of one of Pipecat's categories, or ``stalled``.
        took_ms: From the failure to the moment at which the successor had everything, milliseconds.
    """

    seat: Seat
    failed: str
    successor: str
    category: str
    took_ms: float


class FailoverListener:
    """Gets what happens in a `Failover`. Its methods return at once and never raise."""

    def switched(self, switch: Switch) -> None:
        """A vendor was replaced."""

    def failed(self, seat: Seat, provider: str, category: str) -> None:
        """A vendor failed in a way that costs nothing now: it stays."""


class Branch(Enclosure):
    """A candidate's service, and where its frames come out."""

    def __init__(
        self,
        number: int,
        candidate: Candidate,
        service: FrameProcessor,
        left: Callable[[Branch, Frame, FrameDirection], Any],
    ) -> None:
        super().__init__(service, left)
        self.number = number
        self.candidate = candidate


class Failover(FrameProcessor):
    """A seat with several vendors.

    A frame of a service that has been replaced goes nowhere. While a replacement is being set up, which takes
    milliseconds, frames wait here. A failure for which there is nobody left is passed on as this processor's own error,
    so that whoever counts the errors of a single service does the same for this.

    Args:
        seat: The seat.
        candidates: The vendors, the best first; at least one.

    Raises:
        AicallError: None of them can be used.
    """

    def __init__(self, seat: Seat, candidates: Sequence[Candidate]) -> None:
        # In direct mode a frame costs no queue and no task; the service behind has its own.
        super().__init__(enable_direct_mode=True)
        self.seat = seat
        self._candidates = list(candidates)
        self._listener = FailoverListener()
        self._failed_s: dict[int, float] = {}
        self._dead: set[int] = set()
        self._start: StartFrame | None = None
        self._start_passed = False
        self._held: deque[tuple[Frame, FrameDirection]] = deque()
        self._switching: asyncio.Task[None] | None = None
        self._retiring: dict[Branch, asyncio.Task[None]] = {}
        self._over = False
        self._failing = ""
        """Why the service that has the seat failed while it was being put in place."""
        self._on_error: list[Any] = []
        self._branch = self._take_first()

    def watch(self, listener: FailoverListener) -> None:
        """Tell this listener of what happens from now on."""
        self._listener = listener

    def add_event_handler(self, event_name: str, handler: Any) -> None:
        """Add an event handler; one for errors is told of those of every service that has the seat."""
        super().add_event_handler(event_name, handler)
        if event_name == "on_error":
            self._on_error.append(handler)
            self._branch.service.add_event_handler(event_name, handler)

    @property
    def provider(self) -> str:
        """The vendor that has the seat now."""
        return self._branch.candidate.provider

    @property
    def number(self) -> int:
        """Which of the candidates has the seat now."""
        return self._branch.number

    @property
    def service(self) -> FrameProcessor:
        """The service that has the seat now."""
        return self._branch.service

    @property
    def is_usable(self) -> bool:
        """Whether the service that has the seat can do its work."""
        return self._branch.service.is_usable

    async def stalled(self) -> bool:
        """Replace the service because nothing comes from it.

        Returns:
            Whether another one takes its place.
        """
        return await self._fail(STALLED)

    # Frames on their way in.

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set up the first service."""
        await super().setup(setup)
        await self._branch.setup(setup)

    async def cleanup(self) -> None:
        """Release every service."""
        self._over = True
        await super().cleanup()  # type: ignore[no-untyped-call]
        branches = [*self._retiring, self._branch]
        tasks = list(self._retiring.values())
        if self._switching is not None:
            tasks.append(self._switching)
        for task in tasks:
            await self.cancel_task(task)
        for branch in (*branches, *self._retiring, self._branch):
            await branch.release()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Hand a frame to the service that has the seat."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._start = frame
        if isinstance(frame, CancelFrame):
            self._over = True
        remembered = self._entering(frame, direction)
        if self._switching is None:
            await self._hand(self._branch, frame, direction)
        elif isinstance(frame, CancelFrame):
            # The call ends; nobody needs the seat any more.
            await self.push_frame(frame, direction)
        elif not remembered:
            self._held.append((frame, direction))

    async def push_error_frame(self, error: ErrorFrame, force_treat_as_permanent: bool = False) -> None:
        """Take an error that somebody else found out about this seat, such as a watchdog."""
        known = error.category not in (None, ErrorCategory.UNKNOWN, ErrorCategory.APPLICATION)
        if known and error.category is not None and await self._fail(error.category.value):
            return
        await super().push_error_frame(error, force_treat_as_permanent)

    async def _hand(self, branch: Branch, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, StartFrame):
            branch.started = True
        await branch.service.queue_frame(frame, direction)

    # Frames on their way out.

    async def _left(self, branch: Branch, frame: Frame, direction: FrameDirection) -> None:
        if branch is not self._branch:
            await self._left_retired(branch, frame, direction)
            return
        if isinstance(frame, StartFrame):
            if self._start_passed:
                return
            self._start_passed = True
        if isinstance(frame, ErrorFrame) and frame.processor is branch.service:
            if frame.category is not ErrorCategory.APPLICATION:
                category = frame.category or ErrorCategory.UNKNOWN
                if await self._fail(category.value, permanent=not branch.service.is_usable):
                    return
            frame.processor = self
        if self._leaving(frame, direction):
            await self.push_frame(frame, direction)

    async def _left_retired(self, branch: Branch, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, CancelFrame):
            branch.done_with.set()
        elif self._outlives(branch, frame):
            await self.push_frame(frame, direction)

    # What a seat's own class knows.

    def _entering(self, frame: Frame, direction: FrameDirection) -> bool:
        """Remember what the service gets. Returns whether `_handover` gives it to a successor."""
        del frame, direction
        return False

    def _leaving(self, frame: Frame, direction: FrameDirection) -> bool:
        """Note what comes from the service. Returns whether it is to be passed on."""
        del frame, direction
        return True

    def _outlives(self, branch: Branch, frame: Frame) -> bool:
        """Whether a frame of a service that was replaced is to be passed on all the same."""
        del branch, frame
        return False

    def _busy(self) -> bool:
        """Whether a failure now costs the caller anything; if not, the service may mend itself."""
        return True

    async def _handover(self) -> Sequence[Frame]:
        """Return what a successor has to be given, in order; push what the failed one left undone."""
        return ()

    def _worked(self) -> None:
        circuit = self._branch.candidate.circuit
        if not circuit.spotless:
            circuit.succeeded()

    # Switching.

    def _take_first(self) -> Branch:
        passed_over = []
        refusals: list[AicallError] = []
        for number, candidate in enumerate(self._candidates):
            if not candidate.circuit.admit():
                passed_over.append(number)
            elif (branch := self._made(number, refusals)) is not None:
                return branch
        # All are known to fail: then the best of them is as good as any.
        for number in passed_over:
            if (branch := self._made(number, refusals)) is not None:
                return branch
        raise refusals[0]

    def _take_next(self) -> Branch | None:
        now_s = asyncio.get_running_loop().time()
        passed_over = []
        for number, candidate in enumerate(self._candidates):
            if number == self._branch.number or number in self._dead:
                continue
            if now_s - self._failed_s.get(number, float("-inf")) < _RETRY_AFTER_S:
                continue
            if not candidate.circuit.admit():
                passed_over.append(number)
            elif (branch := self._made(number, [])) is not None:
                return branch
        # One that is known to fail is still better than the end of the call.
        return next((branch for number in passed_over if (branch := self._made(number, [])) is not None), None)

    def _made(self, number: int, refusals: list[AicallError]) -> Branch | None:
        candidate = self._candidates[number]
        try:
            branch = Branch(number, candidate, candidate.make(), self._left)
        except AicallError as error:
            logger.warning("{} {} cannot be used: {}", self.seat, candidate.provider, error.message)
            refusals.append(error)
            self._dead.add(number)
            return None
        for handler in self._on_error:
            branch.service.add_event_handler("on_error", handler)
        return branch

    async def _fail(self, category: str, *, permanent: bool = False) -> bool:
        """Count a failure of the service that has the seat, and replace it.

        Returns:
            Whether the failure is dealt with.
        """
        if self._over:
            return False
        began_s = asyncio.get_running_loop().time()
        failed = self._branch
        if self._switching is not None:
            # It failed before it was in place; its successor is taken when the switch has come so far.
            self._failing = self._failing or category
            return True
        failed.candidate.circuit.failed(category)
        if not permanent and not self._busy():
            self._listener.failed(self.seat, failed.candidate.provider, category)
            return True
        self._failed_s[failed.number] = began_s
        if permanent:
            self._dead.add(failed.number)
        successor = self._take_next()
        if successor is None:
            return False
        self._branch = successor
        self._switching = self.create_task(self._switch(failed, category, began_s), f"{self}::switch")
        return True

    async def _switch(self, failed: Branch, category: str, began_s: float) -> None:
        hopeless = await self._put_in_place(failed)
        successor = self._branch
        if self._start is not None and not any(isinstance(frame, StartFrame) for frame, _ in self._held):
            await self._hand(successor, self._start, FrameDirection.DOWNSTREAM)
        await self._hand_held(successor)
        for frame in await self._handover():
            await self._hand(successor, frame, FrameDirection.DOWNSTREAM)
        # What came while the failed one's work was wound up.
        await self._hand_held(successor)
        self._switching = None
        took_ms = (asyncio.get_running_loop().time() - began_s) * 1000
        self._listener.switched(Switch(self.seat, failed.candidate.provider, self.provider, category, took_ms))
        failing, self._failing = hopeless or self._failing, ""
        if failing and (hopeless or not await self._fail(failing)):
            await super().push_error_frame(
                ErrorFrame("the last vendor of the seat failed", category=_category(failing))
            )

    async def _put_in_place(self, failed: Branch) -> str:
        """Set up the service that has the seat now, or the next one if it fails meanwhile.

        Returns:
            Why the last one failed too, '' if it did not.
        """
        while True:
            successor = self._branch
            self._failing = ""
            self._retire(failed)
            try:
                async with asyncio.timeout(_SETUP_S):
                    await successor.setup(self.processor_setup)
                if not self._failing:
                    return ""
            except TimeoutError:
                pass
            except Exception:  # noqa: BLE001 - the seat would stay empty, and the call silent
                logger.exception("{} {} could not be set up", self.seat, successor.candidate.provider)
                self._failing = self._failing or ErrorCategory.UNKNOWN.value
            category = self._failing or STALLED
            following = self._failed_in_place(successor, category)
            if following is None:
                return category
            failed, self._branch = successor, following

    async def _hand_held(self, successor: Branch) -> None:
        while self._held:
            frame, direction = self._held.popleft()
            await self._hand(successor, frame, direction)

    def _failed_in_place(self, branch: Branch, category: str) -> Branch | None:
        branch.candidate.circuit.failed(category)
        self._failed_s[branch.number] = asyncio.get_running_loop().time()
        if not branch.service.is_usable:
            self._dead.add(branch.number)
        return self._take_next()

    def _retire(self, branch: Branch) -> None:
        task = self._retiring[branch] = self.create_task(self._let_go(branch), f"{self}::retire")
        task.add_done_callback(lambda _: self._retiring.pop(branch, None))

    async def _let_go(self, branch: Branch) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORK_S):
                while branch.tools:
                    branch.done_with.clear()
                    await branch.done_with.wait()
        branch.done_with.clear()
        if branch.started:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await branch.service.queue_frame(CancelFrame())
                    await branch.done_with.wait()
        await branch.release()


def _category(category: str) -> ErrorCategory:
    return ErrorCategory.CONNECTIVITY if category == STALLED else ErrorCategory(category)
