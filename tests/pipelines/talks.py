"""A caller and a bot around a `TurnStartStrategy`: Pipecat's own aggregators, and a player in media out's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_stop import BaseUserTurnStopStrategy, SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from models.options import CallOptions
from pipelines.turns.barge_in import Action, Cause, Decision
from pipelines.turns.hold import HoldPlaybackFrame, ResumePlaybackFrame
from pipelines.turns.start_strategy import BargeInRules, TurnStartStrategy
from tests.pipelines.calls import now
from tests.standins.pipeline import Pipe, piped

STOP_S = 0.2
LONG_S = 60.0
"""More than any test takes, seconds."""
SAID = "We are open on Monday and on Tuesday until six in the evening, but on Wednesday we close at noon."


class Player(FrameProcessor):
    """Plays what the bot says: a `Playback`, told by frames what to do and by the test what there is to play.

    Attributes:
        log: What it was told, and when, seconds.
        left_s: How much there is to play, seconds.
        said: What was played last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, float]] = []
        self.left_s = 0.0
        self.said = ""
        self.held = False

    @property
    def bot_audible(self) -> bool:
        return self.left_s > 0 and not self.held

    def unheard_s(self) -> float:
        return self.left_s

    def recently_said(self) -> str:
        return self.said

    async def talk(self, seconds: float = LONG_S, said: str = SAID) -> None:
        self.left_s, self.said = seconds, said
        await self.broadcast_frame(BotStartedSpeakingFrame)

    async def end(self) -> None:
        self.left_s = 0.0
        await self.broadcast_frame(BotStoppedSpeakingFrame)

    def told(self) -> list[str]:
        return [what for what, _ in self.log]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case HoldPlaybackFrame():
                self.log.append(("hold", now()))
                self.held = True
            case ResumePlaybackFrame():
                self.log.append(("resume", now()))
                self.held = False
            case InterruptionFrame() if direction is FrameDirection.DOWNSTREAM:
                self.log.append(("interrupt", now()))
                was_talking, self.held = self.left_s > 0, False
                if was_talking:
                    await self.end()
        await self.push_frame(frame, direction)


class Listener(BaseUserTurnStopStrategy):
    """Ends no turn.

    Attributes:
        heard: The final texts that it saw, until it was told to forget them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        if isinstance(frame, TranscriptionFrame):
            self.heard.append(frame.text)
        return ProcessFrameResult.CONTINUE


class Talk:
    """A caller and a bot."""

    def __init__(self, options: dict[str, Any], language: str, *, can_clear: bool) -> None:
        self.player = Player()
        self.context = LLMContext()
        self.decisions: list[Decision] = []
        self.listener = Listener()
        self.pipe: Pipe
        rules = BargeInRules.of(CallOptions.model_validate(options), language=language, can_clear=can_clear)
        self.strategy = strategy = TurnStartStrategy(
            rules, self.player, forget=self.listener.heard.clear, count=self.decisions.append
        )
        stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)
        user, assistant = LLMContextAggregatorPair(
            self.context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=UserTurnStrategies(start=[strategy], stop=[stop, self.listener])
            ),
        )
        self.pipeline = Pipeline([DTMFAggregator(timeout=1.0), user, self.player, assistant])

    async def voice(self, seconds: float | None = None) -> float:
        """Speak, for so long or on and on; returns when the VAD confirmed it."""
        began_s = now()
        await self.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        if seconds is not None:
            await asyncio.sleep(seconds)
            await self.silence()
        await asyncio.sleep(0.001)
        return began_s

    async def silence(self) -> None:
        await self.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        await asyncio.sleep(0.001)

    async def heard(self, text: str, *, done: bool = True) -> None:
        await self.pipe.send(TranscriptionFrame(text, "", "", finalized=done))
        await asyncio.sleep(0.001)

    async def hearing(self, text: str) -> None:
        await self.pipe.send(InterimTranscriptionFrame(text, "", ""))
        await asyncio.sleep(0.001)

    def counted(self) -> list[tuple[Action, Cause]]:
        return [(decision.action, decision.cause) for decision in self.decisions]

    def user_said(self) -> list[Any]:
        messages: list[Any] = self.context.get_messages()
        return [message["content"] for message in messages if message["role"] == "user"]

    def nothing_happened(self) -> bool:
        """Whether neither the model nor anybody else knows of the caller's words."""
        seen = self.pipe.down.of(UserStartedSpeakingFrame) or self.pipe.down.of(LLMContextFrame)
        return not seen and not self.context.get_messages() and "interrupt" not in self.player.told()


@asynccontextmanager
async def talking(language: str = "", *, can_clear: bool = True, **options: Any) -> AsyncIterator[Talk]:
    talk = Talk(options, language, can_clear=can_clear)
    async with piped(talk.pipeline, 8_000) as talk.pipe:
        yield talk
