"""Upstream's own recipe for phone bots: many calls in one process, a Pipecat pipeline built whole for each.

It follows the public Twilio examples (https://github.com/pipecat-ai/pipecat-examples, ``twilio-chatbot``) and the API
of pipecat-ai 1.14: FastAPI on uvicorn, ``FastAPIWebsocketTransport`` with ``TwilioFrameSerializer``, a
``SileroVADAnalyzer`` for each call, ``PipelineWorker`` with its defaults. It differs from them in the vendors'
endpoints, in a fixed greeting in place of one that the model makes up, in quiet logs, and with `TurnPolicy.SILENCE` in
the turn strategy; each of the last three makes it faster.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from bench.scenario import GREETING, MODEL, PROMPT, RECIPE_PATH, SAMPLE_RATE_HZ, VOICE_ID, TurnPolicy


@dataclass(frozen=True, slots=True)
class Vendors:
    """Where the vendors' stand-ins are.

    Attributes:
        openai_url: ``http://HOST/v1``.
        deepgram_url: ``ws://HOST``.
        elevenlabs_url: ``ws://HOST``.
        key: The key that all of them take.
    """

    openai_url: str
    deepgram_url: str
    elevenlabs_url: str
    key: str = field(repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Vendors:
        """Read the same variables that the runtime reads.

        Raises:
            KeyError: One is missing.
        """
        return cls(
            openai_url=environ["AICALL_BASE_URL_OPENAI"],
            deepgram_url=environ["AICALL_BASE_URL_DEEPGRAM"],
            elevenlabs_url=environ["AICALL_BASE_URL_ELEVENLABS"],
            key=environ["OPENAI_API_KEY"],
        )


def create_app(vendors: Vendors, policy: TurnPolicy) -> FastAPI:
    """Make the web application: one WebSocket route, one bot for each connection.

    Args:
        vendors: Where the vendors are.
        policy: What ends a caller's turn.
    """
    app = FastAPI()

    @app.websocket(RECIPE_PATH)
    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, vendors, policy)

    return app


async def run_bot(websocket: WebSocket, vendors: Vendors, policy: TurnPolicy) -> None:
    """Conduct one call until the caller hangs up.

    Args:
        websocket: The accepted connection of a Twilio media stream.
        vendors: Where the vendors are.
        policy: What ends a caller's turn.
    """
    _, call = await parse_telephony_websocket(websocket)
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            add_wav_header=False,
            serializer=TwilioFrameSerializer(
                stream_sid=call["stream_id"],
                call_sid=call["call_id"],
                params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
            ),
        ),
    )
    stt = DeepgramSTTService(api_key=vendors.key, base_url=vendors.deepgram_url)
    llm = OpenAILLMService(
        api_key=vendors.key,
        base_url=vendors.openai_url,
        settings=OpenAILLMService.Settings(model=MODEL, system_instruction=PROMPT),
    )
    tts = ElevenLabsTTSService(
        api_key=vendors.key, url=vendors.elevenlabs_url, settings=ElevenLabsTTSService.Settings(voice=VOICE_ID)
    )
    user_params = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    if policy is TurnPolicy.SILENCE:
        user_params.user_turn_strategies = UserTurnStrategies(
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0)]
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

    async def greet(transport: object, client: object) -> None:
        del transport, client
        await worker.queue_frame(TTSSpeakFrame(GREETING))

    async def hang_up(transport: object, client: object) -> None:
        del transport, client
        await worker.cancel()

    transport.add_event_handler("on_client_connected", greet)
    transport.add_event_handler("on_client_disconnected", hang_up)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
