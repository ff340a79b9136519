"""Has short sentences synthesised before they are needed, beside the calls.

What the bot says while an answer is late, and when it must give up, is the same in thousands of calls. It must be
there at the very moment at which the voice may be slow or gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loguru import logger
from pipecat.frames.frames import CancelFrame, ControlFrame, ErrorFrame, Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from models.errors import AicallError
from pipelines.speech.greeting_cache import GreetingCache, GreetingKey
from pipelines.speech.greeting_player import GreetingPlayer

_TAKE_S = 20.0
"""Longest that a voice may take for all sentences of a call, seconds."""
_AGAIN_S = 30.0
"""How long a voice that failed is left alone, seconds."""
_RELEASE_S = 3.0
"""Longest that a voice may take to let go of its vendor, seconds."""


@dataclass(frozen=True, slots=True)
class SpareVoice:
    """A voice that can be made once more.

    Attributes:
        identity: What decides how it sounds (`adapters.tts.build.voice_identity`); '' for one that is not kept.
        make: Makes it; opens no connection. Raises `AicallError` when it cannot be used.
        sample_rate_hz: Rate of the call's audio, Hz.
    """

    identity: str
    make: Callable[[], FrameProcessor]
    sample_rate_hz: int


class PhraseRecorder:
    """The sentences of a process. One voice at a time records, so that calls that begin have the processor.

    Args:
        cache: Where the sentences are kept.
    """

    def __init__(self, cache: GreetingCache) -> None:
        self.cache = cache
        self._failed_s: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)

    def want(self, voice: SpareVoice, texts: Sequence[str]) -> None:
        """Have what is missing of some sentences recorded in the background.

        Args:
            voice: Whose they are.
            texts: What is said, variables filled in.
        """
        identity = voice.identity
        missing = [text for text in texts if text and GreetingKey(identity, text) not in self.cache]
        if not identity or not missing or identity in self._tasks:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._failed_s.get(identity, float("-inf")) < _AGAIN_S:
            return
        task = self._tasks[identity] = loop.create_task(self._record(voice, missing), name="phrases")
        task.add_done_callback(lambda _: self._tasks.pop(identity, None))

    async def aclose(self) -> None:
        """Stop recording."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _record(self, voice: SpareVoice, texts: Sequence[str]) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(_TAKE_S):
                    await _speak(voice, texts, self.cache)
            except AicallError as error:
                logger.info("no sentences recorded: {}", error.message)
            except TimeoutError:
                logger.info("no sentences recorded: the voice took too long")
            except Exception:  # noqa: BLE001 - calls go on without them
                logger.exception("no sentences recorded")
        if all(GreetingKey(voice.identity, text) in self.cache for text in texts):
            self._failed_s.pop(voice.identity, None)
        else:
            self._failed_s[voice.identity] = asyncio.get_running_loop().time()


@dataclass
class _ThroughFrame(ControlFrame):
    """All sentences are through the voice."""


class _Tail(FrameProcessor):
    """Notices that everything came through, or that the voice has failed."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)
        self.through = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on, but drop the audio."""
        await super().process_frame(frame, direction)
        if isinstance(frame, _ThroughFrame):
            self.through.set()
        await self.push_frame(frame, direction)


async def _speak(voice: SpareVoice, texts: Sequence[str], cache: GreetingCache) -> None:
    service, tail = voice.make(), _Tail()
    player = GreetingPlayer(service, cache, voice.identity)
    worker = PipelineWorker(
        Pipeline([service, player, tail]),
        params=PipelineParams(audio_in_sample_rate=voice.sample_rate_hz, audio_out_sample_rate=voice.sample_rate_hz),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        cancel_timeout_secs=1,
        check_dangling_tasks=False,
    )

    async def give_up(source: object, error: ErrorFrame) -> None:
        del source, error
        tail.through.set()

    worker.add_event_handler("on_pipeline_error", give_up)
    runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
    await runner.add_workers(worker)
    running = asyncio.get_running_loop().create_task(runner.run(), name="phrases-pipeline")
    try:
        for text in texts:
            for frame in player.frames(text):
                await worker.queue_frame(frame)
        await worker.queue_frame(_ThroughFrame())
        await tail.through.wait()
    finally:
        await _release(worker, running)


async def _release(worker: PipelineWorker, running: asyncio.Task[None]) -> None:
    """End a pipeline whatever state it is in, this task's own cancellation included."""
    cancelling = asyncio.get_running_loop().create_task(worker.queue_frame(CancelFrame()))
    ending = asyncio.ensure_future(asyncio.wait({running}, timeout=_RELEASE_S))
    cancelled = False
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            cancelled = True
    for task in (running, cancelling):
        if not task.done():
            task.cancel()
    await asyncio.wait({running, cancelling}, timeout=_RELEASE_S)
    if cancelled:
        raise asyncio.CancelledError
