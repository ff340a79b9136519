"""What valgrind counts: ``python -m bench.instructions SYSTEM CODEC_FRAMES INGRESS_FRAMES [--core N]``.

Each of four children, forked when everything is imported, handles so many frames or twice as many, on one of the paths,
and ends; a line of JSON on stdout says which process did what.

The codec path: a Twilio ``media`` message becomes PCM, PCM becomes one. The ingress path: messages of a caller who
listens (a quiet line) come in at an even pace, much slower than real time so that even valgrind keeps up, go through
the pipeline of a whole call, are judged by the VAD, and end at the recogniser. The web server in front is in neither.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Final, NoReturn

import numpy as np
from loguru import logger

from adapters.media.codecs import pcm_to_ulaw
from bench.scenario import SAMPLE_RATE_HZ, System

STREAM_ID: Final = "MZ0123456789abcdef0123456789abcdef"
FRAME_BYTES: Final = SAMPLE_RATE_HZ // 50
PACE_S: Final = 0.06
"""From one message to the next, seconds."""
_NOISE: Final = 40.0
_START_S: Final = 1.0
"""Time for the pipeline to come up before the first message, seconds; the same in every count."""
_KINDS: Final = 50


def main(arguments: list[str] | None = None) -> None:
    """Handle the frames."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("system", type=System, choices=list(System))
    parser.add_argument("codec_frames", type=int)
    parser.add_argument("ingress_frames", type=int)
    parser.add_argument("--core", type=int, help="the only core to run on")
    options = parser.parse_args(arguments)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    os.nice(19)  # whatever else runs is measured in time
    logger.remove()
    ours = options.system is System.OURS
    codec, ingress = (_our_codec, _our_ingress) if ours else (_recipe_codec, _recipe_ingress)
    # Once here, so that the children have it already.
    messages = list(media_messages(2 * max(options.codec_frames, options.ingress_frames)))
    asyncio.run(codec(messages[:1]))
    _listeners()
    for path, handle, frames in (("codec", codec, options.codec_frames), ("ingress", ingress, options.ingress_frames)):
        for number in (frames, 2 * frames):
            child = os.fork()
            if not child:
                asyncio.run(handle(messages[:number]))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status:
                sys.exit(f"{number} frames on the {path} path: the process ended with {status}")
            sys.stdout.write(json.dumps({"pid": child, "path": path, "frames": number}) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _end(heard_bytes: int, frames: int) -> NoReturn:
    """End the process at once: how the calls end is not part of the figure, and they take their time over it."""
    # A recogniser may get its audio in steps, the last one of which is still being filled.
    short = heard_bytes < (frames - 10) * FRAME_BYTES * 2
    if short:
        sys.stderr.write(f"only {heard_bytes} bytes arrived at the recogniser\n")
        sys.stderr.flush()
    os._exit(int(short))


def start_message() -> str:
    """Return the message that opens the media stream."""
    start = {
        "streamSid": STREAM_ID,
        "accountSid": "AC0",
        "callSid": "CA0",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": SAMPLE_RATE_HZ, "channels": 1},
        "customParameters": {},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": STREAM_ID, "start": start})


def media_messages(frames: int) -> Iterator[str]:
    """Yield so many ``media`` messages of a quiet line, as Twilio writes them."""
    noise = np.random.default_rng(1).normal(0.0, _NOISE, (_KINDS, FRAME_BYTES)).astype("<i2")
    payloads = [base64.b64encode(pcm_to_ulaw(frame.tobytes())).decode() for frame in noise]
    for number in range(frames):
        media = {
            "track": "inbound",
            "chunk": str(number + 1),
            "timestamp": str(number * 20),
            "payload": payloads[number % _KINDS],
        }
        yield json.dumps({"event": "media", "sequenceNumber": str(number + 2), "streamSid": STREAM_ID, "media": media})


async def _our_codec(messages: Sequence[str]) -> None:
    from adapters.media.base import AudioReceived  # noqa: PLC0415 - imported only in the process that counts it
    from adapters.media.twilio import TwilioProtocol  # noqa: PLC0415

    protocol = TwilioProtocol()
    protocol.receive(start_message())
    for message in messages:
        for event in protocol.receive(message):
            if isinstance(event, AudioReceived):
                protocol.send_audio(event.pcm)


async def _recipe_codec(messages: Sequence[str]) -> None:
    from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame  # noqa: PLC0415
    from pipecat.serializers.twilio import TwilioFrameSerializer  # noqa: PLC0415

    # With its own rate given, the serializer asks the pipeline's set-up for nothing.
    parameters = TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=SAMPLE_RATE_HZ)
    serializer = TwilioFrameSerializer(stream_sid=STREAM_ID, params=parameters)
    await serializer.setup(_no_setup())
    for message in messages:
        frame = await serializer.deserialize(message)
        if isinstance(frame, InputAudioRawFrame):
            await serializer.serialize(
                OutputAudioRawFrame(audio=frame.audio, sample_rate=SAMPLE_RATE_HZ, num_channels=1)
            )


def _no_setup() -> Any:
    from types import SimpleNamespace  # noqa: PLC0415

    return SimpleNamespace(audio_in_sample_rate=SAMPLE_RATE_HZ, audio_out_sample_rate=SAMPLE_RATE_HZ)


def _listeners() -> tuple[Any, Any, Any]:
    """Return a recogniser that only counts, and a model and a voice that are never asked."""
    from pipecat.frames.frames import Frame  # noqa: PLC0415
    from pipecat.services.openai.llm import OpenAILLMService  # noqa: PLC0415
    from pipecat.services.settings import STTSettings, TTSSettings  # noqa: PLC0415
    from pipecat.services.stt_service import STTService  # noqa: PLC0415
    from pipecat.services.tts_service import TTSService  # noqa: PLC0415

    class CountingSTT(STTService):
        """Counts the audio that it gets."""

        heard_bytes = 0

        async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
            """Count."""
            self.heard_bytes += len(audio)
            yield None

    class SilentTTS(TTSService):
        """Says nothing."""

        async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
            """Say nothing."""
            del text, context_id
            yield None

    stt = CountingSTT(settings=STTSettings(model="counting", language=None))
    llm = OpenAILLMService(api_key="none", base_url="http://127.0.0.1:9/v1")
    tts = SilentTTS(settings=TTSSettings(model="silent", voice=None, language=None))
    return stt, llm, tts


async def _our_ingress(messages: Sequence[str]) -> None:
    from adapters.media.base import AudioReceived  # noqa: PLC0415
    from adapters.media.twilio import TwilioProtocol  # noqa: PLC0415
    from models.options import CallOptions  # noqa: PLC0415
    from models.vad import EffectiveVad  # noqa: PLC0415
    from pipelines.conversation.conversation import Conversation  # noqa: PLC0415
    from pipelines.conversation.types import ConversationSettings, VoiceServices  # noqa: PLC0415
    from pipelines.failover.stall_watch import StallLimits  # noqa: PLC0415
    from pipelines.vad.inference import InferenceEngine  # noqa: PLC0415

    stt, llm, tts = _listeners()
    inference = InferenceEngine()
    conversation = Conversation(
        VoiceServices(stt, llm, tts),
        ConversationSettings(
            vad=EffectiveVad(),
            smart_turn_enabled=False,
            options=CallOptions(greeting="Hello."),
            idle_timeout_s=600.0,
            limits=StallLimits(stt_s=600.0, llm_s=600.0, tts_s=600.0),
        ),
        [],
        sink=_NoPhone(),
        inference=inference,
        listener=_NoListener(),
    )
    protocol = TwilioProtocol()
    protocol.receive(start_message())

    async def feed() -> None:
        await asyncio.sleep(_START_S)
        for message in messages:
            for event in protocol.receive(message):
                if isinstance(event, AudioReceived):
                    await conversation.input.feed(event.pcm)
            await asyncio.sleep(PACE_S)
        _end(stt.heard_bytes, len(messages))

    await asyncio.gather(conversation.run(), feed())


class _NoPhone:
    """A `pipelines.media.output.MediaSink` that nobody listens at."""

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_ms = 20
    look_ahead_ms = 200
    echoes_marks = True
    has_room = True

    async def play(self, pcm: bytes) -> None:
        """Play nothing."""

    async def mark(self, name: str) -> None:
        """Mark nothing."""

    async def clear(self) -> None:
        """Clear nothing."""


class _NoListener:
    """A `pipelines.conversation.types.ConversationListener` that listens to nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_kwargs: None


async def _recipe_ingress(messages: Sequence[str]) -> None:
    from pipecat.audio.vad.silero import SileroVADAnalyzer  # noqa: PLC0415
    from pipecat.pipeline.pipeline import Pipeline  # noqa: PLC0415
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # noqa: PLC0415
    from pipecat.processors.aggregators.llm_context import LLMContext  # noqa: PLC0415
    from pipecat.processors.aggregators.llm_response_universal import (  # noqa: PLC0415
        LLMContextAggregatorPair,
        LLMUserAggregatorParams,
    )
    from pipecat.serializers.twilio import TwilioFrameSerializer  # noqa: PLC0415
    from pipecat.transports.websocket.fastapi import (  # noqa: PLC0415
        FastAPIWebsocketParams,
        FastAPIWebsocketTransport,
    )
    from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy  # noqa: PLC0415
    from pipecat.turns.user_turn_strategies import UserTurnStrategies  # noqa: PLC0415
    from pipecat.workers.runner import WorkerRunner  # noqa: PLC0415

    stt, llm, tts = _listeners()
    socket: Any = _FakeSocket()
    serializer = TwilioFrameSerializer(
        stream_sid=STREAM_ID, params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    user_params = LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(),
        user_turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0)]),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=user_params)
    worker = PipelineWorker(
        Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant]),
        params=PipelineParams(
            audio_in_sample_rate=SAMPLE_RATE_HZ,
            audio_out_sample_rate=SAMPLE_RATE_HZ,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)

    async def feed() -> None:
        await asyncio.sleep(_START_S)
        for message in messages:
            socket.messages.put_nowait({"type": "websocket.receive", "text": message})
            await asyncio.sleep(PACE_S)
        _end(stt.heard_bytes, len(messages))

    await asyncio.gather(runner.run(), feed())


class _FakeSocket:
    """As much of Starlette's ``WebSocket`` as upstream's transport uses."""

    def __init__(self) -> None:
        from starlette.websockets import WebSocketState  # noqa: PLC0415

        self.client_state = self.application_state = WebSocketState.CONNECTED
        self.headers: dict[str, str] = {}
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        return await self.messages.get()

    async def send_text(self, data: str) -> None:
        """Send nothing."""

    async def send_bytes(self, data: bytes) -> None:
        """Send nothing."""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close nothing."""


if __name__ == "__main__":
    main()
