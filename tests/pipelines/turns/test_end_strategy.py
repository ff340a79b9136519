"""The strategy behind Pipecat's own turn controller, as the user aggregator runs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from adapters.stt.frames import (
    CallerPausedFrame,
    CallerResumedFrame,
    SpeechNotUnderstoodFrame,
    TranscriptCompleteFrame,
)
from models.turn import TurnRecord, TurnTrigger
from pipelines.turns.early_answer import EarlyAnswer, context_version
from pipelines.turns.end_strategy import EndOfTurnStrategy
from pipelines.turns.ledger import TurnLedger
from pipelines.turns.turn_end import TurnEndSettings
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.smart_turn import TurnAudio
from tests.pipelines import sounds
from tests.pipelines.calls import now
from tests.standins.pipeline import Pipe, piped

pytestmark = pytest.mark.virtual_time

RATE_HZ = 8_000
STOP_S = 0.2
WATCH_S = 30.0
"""Pipecat's own safety net, out of the way."""


class Turns:
    """A strategy in Pipecat's turn processor, and the turns that it ended."""

    def __init__(self, settings: TurnEndSettings, engine: InferenceEngine | None) -> None:
        self.records: list[TurnRecord] = []
        self.ledger = TurnLedger(now, self.records.append)
        self.audio = TurnAudio(RATE_HZ, 0.2)
        smart_turn = None if engine is None else (engine.smart_turn, self.audio, RATE_HZ)
        self.strategy = EndOfTurnStrategy(settings, self.ledger, vad_stop_secs=STOP_S, smart_turn=smart_turn)
        self.pipe: Pipe

    async def speak(self, seconds: float = 1.0) -> None:
        """Speak; what the VAD says of it."""
        await self.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await asyncio.sleep(seconds)
        await self.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        await asyncio.sleep(0)

    async def hear(self, text: str, *, final: bool = True) -> None:
        await self.pipe.send(TranscriptionFrame(text, "", "", finalized=final))

    async def ended(self, count: int = 1, timeout_s: float = 20.0) -> float:
        """Wait for the end of a turn; returns the moment."""
        await self.pipe.down.wait(UserStoppedSpeakingFrame, count, timeout_s)
        return now()

    def close(self) -> list[tuple[TurnTrigger, str]]:
        self.ledger.close()
        return [(record.trigger, record.user_text) for record in self.records]


@asynccontextmanager
async def turns(engine: InferenceEngine | None = None, **settings: float) -> AsyncIterator[Turns]:
    made = Turns(TurnEndSettings(smart_turn=engine is not None, **settings), engine)
    processor = UserTurnProcessor(
        user_turn_strategies=UserTurnStrategies(stop=[made.strategy]), user_turn_stop_timeout=WATCH_S
    )
    async with piped(processor, RATE_HZ) as made.pipe:
        made.ledger.media_started()
        yield made


async def test_a_final_transcript_after_the_silence_ends_the_turn_at_once() -> None:
    async with turns() as it:
        await it.speak()
        await asyncio.sleep(0.05)
        asked_s = now()
        await it.hear("hello there")
        assert await it.ended() - asked_s <= 0.001
        assert it.close() == [(TurnTrigger.SPEECH, "hello there")]
        assert it.records[0].transcript_ms == pytest.approx(asked_s * 1000, abs=1)


async def test_more_patience_from_then_on() -> None:
    async with turns() as it:
        it.strategy.change(speech_timeout_s=1.5, vad_stop_secs=STOP_S, smart_turn=None)
        await it.speak()
        silent_s = now()
        await it.hear("hello there")
        assert await it.ended() - silent_s == pytest.approx(1.5, abs=0.01)


async def test_a_final_transcript_before_the_silence_waits_for_it() -> None:
    async with turns() as it:
        await it.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await it.hear("hello there")
        await asyncio.sleep(5)
        assert not it.pipe.down.of(UserStoppedSpeakingFrame)
        await it.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        assert await it.ended() == pytest.approx(5, abs=0.001)


async def test_a_transcript_that_is_not_final_gets_time_for_more() -> None:
    async with turns(transcript_wait_s=0.4) as it:
        await it.speak()
        await it.hear("hello", final=False)
        await asyncio.sleep(0.1)
        await it.hear("there", final=False)
        assert await it.ended() == pytest.approx(1.4, abs=0.001)
        assert it.close() == [(TurnTrigger.SPEECH, "hello there")]


async def test_how_late_a_recogniser_is_it_says_itself() -> None:
    async with turns(transcript_wait_s=9.0) as it:
        # Its lateness counts from the end of the sound, and the silence has run by when the VAD stops.
        await it.pipe.send(STTMetadataFrame(service_name="stt", ttfs_p99_latency=0.9))
        await it.speak()
        await it.hear("hello", final=False)
        assert await it.ended() == pytest.approx(1.0 + 0.9 - STOP_S, abs=0.001)


async def test_a_recogniser_that_is_quicker_than_the_silence() -> None:
    async with turns(transcript_wait_s=9.0) as it:
        await it.pipe.send(STTMetadataFrame(service_name="stt", ttfs_p99_latency=0.1))
        await it.speak()
        await it.hear("hello", final=False)
        assert await it.ended() == pytest.approx(1.0, abs=0.001)


async def test_the_extra_silence_is_waited_for() -> None:
    async with turns(speech_timeout_s=0.7) as it:
        await it.speak()
        await it.hear("hello")
        assert await it.ended() == pytest.approx(1.7, abs=0.001)


async def test_a_pause_is_no_end() -> None:
    async with turns(speech_timeout_s=0.7) as it:
        await it.speak()
        await it.hear("I would like")
        await asyncio.sleep(0.5)
        await it.speak()
        await it.hear("a table")
        assert await it.ended() == pytest.approx(1.0 + 0.5 + 1.0 + 0.7, abs=0.001)
        assert it.close() == [(TurnTrigger.SPEECH, "I would like a table")]


async def test_an_interim_transcript_keeps_a_quiet_turn_open() -> None:
    async with turns() as it:
        await it.hear("yes", final=True)
        # The interruption by which the turn begins drops what is queued behind it, so this comes a moment later.
        await asyncio.sleep(0.01)
        await it.pipe.send(InterimTranscriptionFrame("please", "", ""))
        await asyncio.sleep(0.3)
        assert not it.pipe.down.of(UserStoppedSpeakingFrame)
        assert await it.ended() == pytest.approx(0.6, abs=0.001)


async def test_speech_that_nobody_understood_ends_without_text() -> None:
    async with turns() as it:
        await it.speak()
        await it.pipe.send(SpeechNotUnderstoodFrame(duration_s=1.0))
        assert await it.ended() == pytest.approx(1.0, abs=0.001)
        assert it.close() == [(TurnTrigger.NOT_UNDERSTOOD, "")]


async def test_a_recogniser_that_says_nothing_at_all_is_not_waited_for_long() -> None:
    async with turns(no_text_wait_s=2.0) as it:
        await it.speak()
        await it.hear("  ")
        assert await it.ended() == pytest.approx(3.0, abs=0.001)
        assert it.close() == [(TurnTrigger.NOT_UNDERSTOOD, "")]


async def test_keys_are_told_apart_from_speech() -> None:
    async with turns() as it:
        await it.hear("DTMF: 4711#")
        await it.ended()
        assert it.close() == [(TurnTrigger.DTMF, "DTMF: 4711#")]


async def test_even_the_shortest_turn_gives_its_interruption_time() -> None:
    async with turns() as it:
        asked_s = now()
        await it.hear("DTMF: #")
        await it.pipe.down.wait(UserStartedSpeakingFrame)
        assert now() == asked_s
        assert await it.ended() - asked_s == pytest.approx(0.05, abs=0.001)


async def test_one_turn_does_not_carry_words_into_the_next() -> None:
    async with turns() as it:
        for count, text in enumerate(["first", "second"], start=1):
            await it.speak()
            await it.hear(text)
            await it.ended(count)
        await it.speak()
        await it.pipe.send(SpeechNotUnderstoodFrame(duration_s=1.0))
        await it.ended(3)
        assert it.close() == [
            (TurnTrigger.SPEECH, "first"),
            (TurnTrigger.SPEECH, "second"),
            (TurnTrigger.NOT_UNDERSTOOD, ""),
        ]


async def test_the_end_of_the_call_in_mid_turn_leaves_nothing_behind(judging_inference: InferenceEngine) -> None:
    """The leak checks see to it."""
    async with turns(judging_inference, no_text_wait_s=100.0) as it:
        await it.speak()
    async with turns(no_text_wait_s=100.0) as it:
        await it.speak()
    assert not it.pipe.down.of(UserStoppedSpeakingFrame)


# Answers begun early.


class Aggregated:
    """The strategy in Pipecat's own user aggregator, and what comes out of it for the model."""

    def __init__(self, **settings: Any) -> None:
        self.context = LLMContext()
        self.early = EarlyAnswer(lambda: context_version(self.context))
        self.answered: list[str] = []
        self.strategy = EndOfTurnStrategy(
            TurnEndSettings(**settings),
            TurnLedger(now, lambda record: None),
            vad_stop_secs=STOP_S,
            early=self.early,
            on_answered=self.answered.append,
        )
        self.user, _ = LLMContextAggregatorPair(
            self.context,
            user_params=LLMUserAggregatorParams(user_turn_strategies=UserTurnStrategies(stop=[self.strategy])),
        )
        self.pipe: Pipe

    async def begin(self) -> None:
        """Begin to speak, and be heard to."""
        await self.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await asyncio.sleep(1)

    async def pause(self) -> None:
        await self.pipe.send(CallerPausedFrame(silence_s=0.1))

    async def hear(self, text: str, *, final: bool = True) -> None:
        await self.pipe.send(TranscriptionFrame(text, "", "", finalized=final))
        await asyncio.sleep(0.05)

    async def stop(self) -> None:
        await self.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))

    async def ended(self) -> None:
        await self.pipe.down.wait(UserStoppedSpeakingFrame)
        await asyncio.sleep(0.05)

    def asked(self) -> list[tuple[bool, str]]:
        """For each question to the model whether it is asked ahead, and the caller's words in it."""
        return [(frame.speculation, _last(frame.context)) for frame in self.pipe.down.of(LLMContextFrame)]

    def withdrawn(self) -> int:
        return len(self.pipe.down.of(EagerEndOfTurnCancelFrame))


def _last(context: LLMContext) -> str:
    return str(context.messages[-1]["content"])  # type: ignore[index]


@asynccontextmanager
async def aggregated(**settings: Any) -> AsyncIterator[Aggregated]:
    made = Aggregated(**settings)
    async with piped(made.user, RATE_HZ) as made.pipe:
        yield made


async def test_the_model_is_asked_in_the_pause_and_not_again_when_the_turn_ends() -> None:
    async with aggregated() as it:
        await it.begin()
        await it.pause()
        await it.hear("hello there")
        assert it.asked() == [(True, "hello there")]
        assert not it.context.messages
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello there")]
        assert [message["content"] for message in it.context.messages] == ["hello there"]  # type: ignore[index]
        assert (it.answered, it.withdrawn()) == (["hello there"], 0)


async def test_an_answer_is_withdrawn_when_the_caller_goes_on() -> None:
    async with aggregated() as it:
        await it.begin()
        await it.pause()
        await it.hear("hello")
        await it.pipe.send(CallerResumedFrame())
        await asyncio.sleep(0.5)
        assert it.withdrawn() == 1
        await it.pause()
        await it.hear("there")
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello"), (True, "hello there")]
        assert (it.answered, it.withdrawn()) == (["hello there"], 1)
        assert (it.early.counts.begun, it.early.counts.kept, it.early.counts.discarded) == (2, 1, 1)


async def test_an_answer_is_withdrawn_when_more_text_comes() -> None:
    async with aggregated() as it:
        await it.begin()
        await it.pause()
        await it.hear("hello")
        await it.hear("there")
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello"), (True, "hello there")]
        assert (it.answered, it.withdrawn()) == (["hello there"], 1)


async def test_an_answer_in_another_context_is_thrown_away() -> None:
    async with aggregated() as it:
        await it.begin()
        await it.pause()
        await it.hear("hello")
        it.context.add_message({"role": "assistant", "content": "By the way"})
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello"), (False, "hello")]
        assert (it.answered, it.withdrawn()) == ([], 1)


async def test_an_answer_that_needs_a_tool_is_asked_for_again_at_the_end() -> None:
    async with aggregated() as it:
        await it.begin()
        await it.pause()
        await it.hear("hello")
        # As the model's service does when the model calls a tool.
        await it.pipe.send(EagerEndOfTurnCancelFrame(), FrameDirection.UPSTREAM)
        await asyncio.sleep(0.05)
        assert it.asked() == [(True, "hello")]
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello"), (False, "hello")]
        assert it.answered == []


async def test_a_model_that_failed_ahead_of_the_end_is_asked_again_at_the_end() -> None:
    async with aggregated() as it:
        assert not it.strategy.early_answer_failed()
        await it.begin()
        await it.pause()
        await it.hear("hello")
        assert it.strategy.early_answer_failed()
        assert not it.strategy.early_answer_failed()
        await it.stop()
        await it.ended()
        assert it.asked() == [(True, "hello"), (False, "hello")]


async def test_keys_are_not_answered_early() -> None:
    async with aggregated() as it:
        await it.hear("DTMF: 4711#")
        await it.ended()
        assert it.asked() == [(False, "DTMF: 4711#")]


async def test_text_that_may_not_be_all_is_not_answered_early() -> None:
    async with aggregated(transcript_wait_s=0.4) as it:
        await it.begin()
        await it.pause()
        await it.hear("hello", final=False)
        assert it.asked() == []
        await it.pipe.send(TranscriptCompleteFrame())
        await asyncio.sleep(0.01)
        assert it.asked() == [(True, "hello")]
        await it.stop()
        await it.ended()
        assert it.answered == ["hello"]


# Smart Turn.


async def test_smart_turn_is_asked_in_the_pause_with_the_silence_that_is_still_to_come(
    judging_inference: InferenceEngine,
) -> None:
    sound = sounds.person(RATE_HZ)
    assert await verdict(judging_inference, sound)
    async with turns(judging_inference) as it:
        it.audio.speech_started()
        it.audio.append(np.concatenate([sounds.silence(RATE_HZ, 0.5), sound, sounds.silence(RATE_HZ, 0.1)]).tobytes())
        await it.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await asyncio.sleep(1)
        before = judging_inference.smart_turn.load.inferences
        await it.pipe.send(CallerPausedFrame(silence_s=0.1))
        await it.hear("well")
        await asyncio.sleep(0.1)
        assert judging_inference.smart_turn.load.inferences == before + 1
        await it.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        assert await it.ended() == pytest.approx(1.1, abs=0.001)
        # Its verdict of the pause was enough.
        assert judging_inference.smart_turn.load.inferences == before + 1


async def test_a_pause_that_was_none_is_judged_anew(judging_inference: InferenceEngine) -> None:
    async with turns(judging_inference) as it:
        it.audio.speech_started()
        told(it.audio, sounds.person(RATE_HZ))
        await it.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await it.pipe.send(CallerPausedFrame(silence_s=0.1))
        await asyncio.sleep(0.1)
        await it.pipe.send(CallerResumedFrame())
        await it.hear("well")
        told(it.audio, sounds.speech(RATE_HZ, sounds.PAUSE))
        await asyncio.sleep(0.9)
        await it.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        assert await it.ended() == pytest.approx(1.0 + 3.0 - STOP_S, abs=0.001)


def told(audio: TurnAudio, sound: sounds.Samples) -> None:
    audio.append(np.concatenate([sounds.silence(RATE_HZ, 0.5), sound, sounds.silence(RATE_HZ, 0.2)]).tobytes())


async def verdict(engine: InferenceEngine, sound: sounds.Samples) -> bool:
    audio = TurnAudio(RATE_HZ, 0.2)
    audio.speech_started()
    told(audio, sound)
    return await engine.smart_turn.finished(audio.take(), RATE_HZ) > 0.5


async def test_smart_turn_is_asked_when_the_caller_falls_silent(judging_inference: InferenceEngine) -> None:
    """Somebody who sounds finished is answered at once, somebody who does not after three seconds of silence."""
    for sound in (sounds.person(RATE_HZ), sounds.speech(RATE_HZ, sounds.PAUSE)):
        finished = await verdict(judging_inference, sound)
        async with turns(judging_inference) as it:
            it.audio.speech_started()
            began_s = now()
            await it.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
            told(it.audio, sound)
            await it.hear("well")
            await asyncio.sleep(1)
            await it.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
            # The VAD's own window is part of the silence.
            expected_s = 1.0 if finished else 1.0 + 3.0 - STOP_S
            assert await it.ended() - began_s == pytest.approx(expected_s, abs=0.001)


async def test_both_verdicts_occur(judging_inference: InferenceEngine) -> None:
    """Otherwise the test above would show half of it."""
    heard = [sounds.person(RATE_HZ), sounds.speech(RATE_HZ, sounds.PAUSE)]
    assert [await verdict(judging_inference, sound) for sound in heard] == [True, False]


async def test_a_caller_who_goes_on_is_judged_anew(judging_inference: InferenceEngine) -> None:
    async with turns(judging_inference) as it:
        it.audio.speech_started()
        told(it.audio, sounds.person(RATE_HZ))
        await it.speak()
        # Before the verdict is there, and before any text.
        await it.pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
        await it.hear("well")
        await asyncio.sleep(5)
        assert not it.pipe.down.of(UserStoppedSpeakingFrame)
        await it.pipe.send(VADUserStoppedSpeakingFrame(stop_secs=STOP_S))
        assert await it.ended() == pytest.approx(6.0, abs=0.001)


async def test_the_turns_audio_is_forgotten_with_it(judging_inference: InferenceEngine) -> None:
    async with turns(judging_inference) as it:
        it.audio.speech_started()
        told(it.audio, sounds.person(RATE_HZ))
        await it.hear("well")
        await it.speak()
        await it.ended()
        it.audio.append(sounds.silence(RATE_HZ, 0.1).tobytes())
        it.audio.append(sounds.silence(RATE_HZ, 3.0).tobytes())
        it.audio.append(sounds.silence(RATE_HZ, 0.1).tobytes())
        assert len(it.audio.take()) / 2 / RATE_HZ < 3.5
