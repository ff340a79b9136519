"""A language model with others behind it: the answer that broke off is gone on with, and nothing is spoken twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    SystemFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.frame_processor import FrameDirection

from models.prompts import ANSWER_BROKE_OFF
from pipelines.failover.failover import Branch, Candidate, Failover
from pipelines.failover.failures import Seat
from pipelines.speech.said_before import SaidBefore


class LlmFailover(Failover):
    """The seat of the model.

    Whatever a model has said of an answer has gone to the voice and will be heard, so it stands. The next model is
    asked with the same context and what was said, and only what it adds goes on, as the rest of the same answer: for
    the voice and everybody behind it there is one answer. When nothing was said yet, the next model gets the same
    question.

    Args:
        candidates: The models, the best first.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        super().__init__(Seat.LLM, candidates)
        self._asked: deque[Frame] = deque()
        """What the model got and has not done with, in order."""
        self._said: list[str] = []
        self._answering = False
        self._going_on: SaidBefore | None = None
        """What was said of the present answer by a model that failed; None when this one began it."""
        self._turn_over = False

    def _entering(self, frame: Frame, direction: FrameDirection) -> bool:
        match frame:
            case InterruptionFrame():
                self._asked = deque(it for it in self._asked if not it.interruptible)
                self._end_answer()
                return False
            case EagerEndOfTurnCancelFrame():
                self._asked = deque(
                    it for it in self._asked if not (isinstance(it, LLMContextFrame) and it.speculation)
                )
                return False
            case UserStartedSpeakingFrame() | UserStoppedSpeakingFrame():
                self._turn_over = isinstance(frame, UserStoppedSpeakingFrame)
                return False
            case SystemFrame():
                return False
        if direction is FrameDirection.UPSTREAM and not isinstance(frame, LLMContextFrame):
            return False
        # What is asked after a tool comes from behind.
        self._asked.append(frame)
        return True

    def _leaving(self, frame: Frame, direction: FrameDirection) -> bool:
        self._branch.note_tool(frame)
        if direction is FrameDirection.UPSTREAM:
            return True
        match frame:
            case LLMTextFrame():
                return self._take_text(frame)
            case LLMFullResponseStartFrame():
                if self._answering:
                    # It goes on with an answer that has begun.
                    return False
                self._answering = True
            case LLMFullResponseEndFrame():
                self._worked()
                self._end_answer()
                question = next((it for it in self._asked if isinstance(it, LLMContextFrame)), None)
                if question is not None:
                    self._done_with(question)
            case _:
                self._done_with(frame)
        return True

    def _outlives(self, branch: Branch, frame: Frame) -> bool:
        return branch.note_tool(frame)

    def _busy(self) -> bool:
        return any(isinstance(it, LLMContextFrame) for it in self._asked)

    async def _handover(self) -> Sequence[Frame]:
        frames = list(self._asked)
        said = "".join(self._said)
        for place, frame in enumerate(frames):
            if isinstance(frame, LLMContextFrame):
                if frame.speculation and self._turn_over:
                    # Its answer would be held back for the end of a turn that is over.
                    frame = replace(frame, speculation=False)  # noqa: PLW2901
                self._asked[place] = frame
                if said.strip():
                    self._going_on = SaidBefore(said)
                    frames[place] = replace(frame, context=_gone_on(frame.context, said))
                else:
                    frames[place] = frame
                break
        return frames

    def _take_text(self, frame: LLMTextFrame) -> bool:
        if self._going_on is not None:
            frame.text = self._going_on.rest(frame.text)
            if not frame.text:
                return False
        self._said.append(frame.text)
        return True

    def _end_answer(self) -> None:
        self._answering = False
        self._going_on = None
        self._said.clear()

    def _done_with(self, frame: Frame) -> None:
        """Forget what was asked up to a frame: a service does one thing after the other."""
        if any(it is frame for it in self._asked):
            while self._asked.popleft() is not frame:
                pass


def _gone_on(context: LLMContext, said: str) -> LLMContext:
    messages = [
        *context.messages,
        cast("LLMContextMessage", {"role": "assistant", "content": said}),
        cast("LLMContextMessage", {"role": "developer", "content": ANSWER_BROKE_OFF}),
    ]
    return LLMContext(messages=messages, tools=context.tools, tool_choice=context.tool_choice)
