"""A conversation on hold: the bot is silent, nobody is listened to, and no watch runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from pipecat.frames.frames import Frame, InterruptionFrame, LLMContextFrame, UserIdleTimeoutUpdateFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from models.prompts import ANSWER_BROKE_OFF
from pipelines.conversation.types import Past
from pipelines.failover.stall_watch import StallWatch
from pipelines.media.input import MediaInput
from pipelines.media.output import MediaOutput


class AnswerGate(FrameProcessor):
    """Stands on one side of the model. While it is shut, no question reaches the model.

    Args:
        is_shut: Whether it is.
        owed: Called when a question was kept from the model.
    """

    def __init__(self, is_shut: Callable[[], bool], owed: Callable[[], None]) -> None:
        super().__init__(enable_direct_mode=True)
        self._is_shut = is_shut
        self._owed = owed

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass on all but questions that come while it is shut."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and self._is_shut():
            if not frame.speculation:
                self._owed()
            return
        await self.push_frame(frame, direction)


class Held(Protocol):
    """What is put on hold."""

    @property
    def input(self) -> MediaInput: ...  # noqa: D102
    @property
    def output(self) -> MediaOutput: ...  # noqa: D102
    @property
    def watch(self) -> StallWatch: ...  # noqa: D102
    @property
    def context(self) -> LLMContext: ...  # noqa: D102


class Pausing:
    """Whether a conversation is on hold, and what it owes the caller afterwards.

    Args:
        past: What was said before, of a conversation that begins on hold.

    Attributes:
        paused: Whether it is on hold; changed by `pause` and `resume` only.
    """

    def __init__(self, past: Past | None = None) -> None:
        self.paused = past is not None
        self._answer_owed = past is not None and past.owed
        self._cut_off = past is not None and past.cut_off

    def gate(self) -> AnswerGate:
        """Make a gate for one side of the model."""
        return AnswerGate(lambda: self.paused, self.owe)

    def owe(self) -> None:
        """Note that the caller is to be answered once the hold is over."""
        self._answer_owed = True

    async def pause(self, held: Held, queue: Callable[[Frame], Awaitable[None]]) -> None:
        """Fall silent and stop listening.

        Args:
            held: The conversation's parts.
            queue: Puts a frame into the pipeline, at its beginning.
        """
        if self.paused:
            return
        self.paused = True
        watch = held.watch
        self._cut_off = held.output.unheard_s() > 0 or watch.waits_for is not None or watch.due_since_s is not None
        watch.rest()
        held.input.deafen(True)
        await queue(UserIdleTimeoutUpdateFrame(0))
        await queue(InterruptionFrame())

    async def resume(
        self,
        held: Held,
        queue: Callable[[Frame], Awaitable[None]],
        *,
        idle_timeout_s: float,
        tell: Callable[[str], Awaitable[None]],
        speak_again: Callable[[], Awaitable[None]],
    ) -> None:
        """Listen again, and say what is owed: the rest of what was cut off, or the answer to the caller's last words.

        Args:
            held: The conversation's parts.
            queue: Puts a frame into the pipeline, at its beginning.
            idle_timeout_s: Silence before the caller is asked whether they are there, seconds.
            tell: Tells the model something and has it answer.
            speak_again: Has the bot say what the caller did not hear.
        """
        if not self.paused:
            return
        self.paused = False
        held.watch.go_on()
        held.input.deafen(False)
        await queue(UserIdleTimeoutUpdateFrame(idle_timeout_s))
        cut_off, owed = self._cut_off, self._answer_owed
        self._cut_off = self._answer_owed = False
        messages = held.context.messages
        spoke_last = bool(messages) and cast("dict[str, Any]", messages[-1]).get("role") == "assistant"
        if cut_off and spoke_last and not owed:
            await tell(ANSWER_BROKE_OFF)
        elif cut_off or owed:
            await speak_again()
