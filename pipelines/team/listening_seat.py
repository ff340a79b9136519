"""The recogniser's seat of a team's call: it changes only where nothing that was said can get lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from adapters.stt.frames import SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from pipelines.failover.failures import Seat
from pipelines.team.plan import SeatPlan
from pipelines.team.seat import MemberSeat

_LEAD_IN_S = 1.0
"""How much audio the next recogniser hears of before, seconds: speech begins before the VAD is sure of it."""
_OVERDUE_S = 3.0
"""How long after the caller fell silent a recogniser's text is waited for, seconds."""


class ListeningSeat(MemberSeat):
    """The seat of the recogniser.

    Who began to hear a sentence hears it to its end. So it changes once the caller is silent and what they said is
    recognised, and that is nearly always at once: a member hands over when the caller's turn is over.

    Args:
        plan: The first member's recogniser.

    Raises:
        AicallError: It cannot be used.
    """

    def __init__(self, plan: SeatPlan) -> None:
        super().__init__(Seat.STT, plan)
        self._wanted: Hashable | None = None
        self._speaking = False
        self._unrecognised = False
        self._lead_in: deque[InputAudioRawFrame] = deque()
        self._lead_in_s = 0.0
        self._overdue: asyncio.TimerHandle | None = None
        self._joining: set[asyncio.Task[None]] = set()

    def change_when_quiet(self, key: Hashable) -> None:
        """Let another recogniser take over as soon as the caller is silent and understood.

        Args:
            key: `SeatPlan.key` of one that is ready.
        """
        self._wanted = key
        self._try()

    async def stalled(self) -> bool:
        """Have the recogniser replaced: by the next member's where that is due, else by another vendor's."""
        if self._wanted is not None:
            self._unrecognised = self._speaking = False
            self._try()
            return True
        return await super().stalled()

    async def cleanup(self) -> None:
        """Release every recogniser."""
        self._cancel_overdue()
        for task in list(self._joining):
            await self.cancel_task(task)
        await super().cleanup()

    async def _enter(self, frame: Frame, direction: FrameDirection) -> None:
        if self._joining:
            # What it hears of before goes ahead of what comes now.
            await asyncio.wait(self._joining)
        await super()._enter(frame, direction)

    def _entering(self, frame: Frame) -> None:
        match frame:
            case InputAudioRawFrame():
                self._lead_in.append(frame)
                self._lead_in_s += _seconds(frame)
                while self._lead_in_s > _LEAD_IN_S:
                    self._lead_in_s -= _seconds(self._lead_in.popleft())
            case VADUserStartedSpeakingFrame():
                self._speaking = self._unrecognised = True
                self._cancel_overdue()
            case VADUserStoppedSpeakingFrame():
                self._speaking = False
                # What was said up to here is the present recogniser's; another one would say it again.
                self._lead_in.clear()
                self._lead_in_s = 0.0
                self._cancel_overdue()
                self._overdue = asyncio.get_running_loop().call_later(_OVERDUE_S, self._recognised)
            case _:
                pass

    def _leaving(self, frame: Frame) -> None:
        if not self._speaking and isinstance(
            frame, (TranscriptionFrame, TranscriptCompleteFrame, SpeechNotUnderstoodFrame)
        ):
            # In a task: the frame itself has to go on first.
            asyncio.get_running_loop().call_soon(self._recognised)

    def _recognised(self) -> None:
        self._cancel_overdue()
        if not self._speaking:
            self._unrecognised = False
            self._try()

    def _try(self) -> None:
        if self._wanted is None or self._over or self._speaking or self._unrecognised:
            return
        warm = self._warm.get(self._wanted)
        self._wanted = None
        if warm is None:
            return
        changed, self._active = warm is not self._active, warm
        if changed:
            task = self.create_task(self._join(), f"{self}::join")
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)
        else:
            self.on_changed()

    async def _join(self) -> None:
        for frame in tuple(self._lead_in):
            await self._active.service.queue_frame(frame)
        await self._announce()
        self.on_changed()

    def _cancel_overdue(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


def _seconds(frame: InputAudioRawFrame) -> float:
    return len(frame.audio) / 2 / frame.sample_rate
