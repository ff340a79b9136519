"""How long a seat is without a vendor when one fails in the middle of a call, and what is lost by it.

``python -m bench.failover [--switches 30]``: for each seat, that many times, the first vendor's stand-in breaks off at
a random moment of an utterance or an answer, and the second one's takes over. The vendors' stand-ins speak the vendors'
wires on loopback and answer at once, so the figures are this runtime's own share.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pydantic import SecretStr

from adapters.breaker import BreakerSettings, Circuit
from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from adapters.stt.build import build_stt
from adapters.tts.build import build_tts
from models.providers import EngineModel, SttType, TtsType
from pipelines.failover.failover import Candidate, FailoverListener, Switch
from pipelines.failover.llm import LlmFailover
from pipelines.failover.stt import SttFailover
from pipelines.failover.tts import TtsFailover
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import Pipe, piped
from tests.standins.replies import Reply

_RATE_HZ = 8_000
_STEP_S = 0.04
_KEY = SecretStr(DEFAULT_KEY)
_LIMIT_S = 20.0
_WORDS = "north south eastern western seven eleven twenty ninety"
_ANSWER = (
    "We are open on Monday, Tuesday and Thursday from eight in the morning. On Wednesday we open at ten, and we close "
    "at eight, so that you can come after work."
)


@dataclass
class Figures(FailoverListener):
    """What was measured in a seat. Times are milliseconds.

    Attributes:
        switch_ms: From the moment at which the failure is known to the one at which the next vendor has everything.
        sign_ms: From the vendor's breaking off to the first sign of life of the next one.
        lost: Words that were lost.
        twice: Words that came twice.
        words: All words.
    """

    switch_ms: list[float] = field(default_factory=list)
    sign_ms: list[float] = field(default_factory=list)
    lost: int = 0
    twice: int = 0
    words: int = 0

    def switched(self, switch: Switch) -> None:
        """Take a switch."""
        self.switch_ms.append(switch.took_ms)

    def compare(self, wanted: list[str], got: list[str]) -> None:
        """Count the words of one case."""
        missing, extra = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
        self.words += len(wanted)
        self.lost += missing.total()
        self.twice += extra.total()


def _candidates(*made: tuple[str, Callable[[], Any]]) -> list[Candidate]:
    settings = BreakerSettings()
    return [Candidate(name, Circuit("seat", name, settings, time.monotonic), make) for name, make in made]


async def _recognisers(clients: SharedClients, chance: random.Random, figures: Figures) -> None:
    words = _WORDS.split()
    chance.shuffle(words)
    spoken = {word: signature(word, _RATE_HZ) for word in words}
    async with DeepgramStandIn() as first, ElevenLabsStandIn() as second:
        environ = {"AICALL_BASE_URL_DEEPGRAM": first.base_url, "AICALL_BASE_URL_ELEVENLABS": second.base_url}

        def make(kind: SttType) -> Callable[[], Any]:
            return lambda: build_stt(
                kind,
                key=_KEY,
                language="en",
                sample_rate_hz=_RATE_HZ,
                stop_secs=0.2,
                resources=clients,
                environ=environ,
            )

        seat = SttFailover(_candidates(("deepgram", make(SttType.DEEPGRAM)), ("elevenlabs", make(SttType.ELEVENLABS))))
        seat.watch(figures)
        silence = bytes(_RATE_HZ)
        audio = silence + b"".join(spoken.values()) + silence
        size = int(_RATE_HZ * _STEP_S) * 2
        steps = [audio[at : at + size] for at in range(0, len(audio), size)]
        breaks_at = chance.randrange(len(silence) // size + 5, len(steps) - len(silence) // size)
        async with piped(seat, _RATE_HZ) as pipe:
            await first.until(lambda: bool(first.requests))
            sign: asyncio.Task[float] | None = None
            for number, step in enumerate(steps):
                if number == len(silence) // size + 3:
                    await pipe.send(VADUserStartedSpeakingFrame(start_secs=0.2))
                if number == breaks_at:
                    first.faults = Faults(status=500)
                    sign = asyncio.create_task(_first_sign(pipe, time.monotonic()))
                    first.drop_connections()
                await pipe.send(InputAudioRawFrame(step, _RATE_HZ, 1))
                # Four times as fast as people speak, as the phones of the tests.
                await asyncio.sleep(_STEP_S / 4)
            await pipe.send(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            await pipe.down.wait(TranscriptionFrame, timeout_s=_LIMIT_S)
            if sign is not None:
                figures.sign_ms.append(await sign)
            heard = bytes(second.requests_to("realtime")[-1].audio)
            got = [word for word, pcm in spoken.items() for _ in range(heard.count(pcm))]
            figures.compare(words, got)


async def _first_sign(pipe: Pipe, since_s: float) -> float:
    """Wait for a transcript after this moment; returns how long it took, milliseconds."""

    def transcripts() -> int:
        return sum(isinstance(it, (InterimTranscriptionFrame, TranscriptionFrame)) for it in pipe.down.frames)

    before = transcripts()
    await pipe.down.until(lambda: transcripts() > before, _LIMIT_S)
    return (time.monotonic() - since_s) * 1000


async def _models(clients: SharedClients, chance: random.Random, figures: Figures) -> None:
    reply = Reply(_ANSWER, token_interval_s=0.005)
    async with OpenAIStandIn(reply=[reply]) as first, AnthropicStandIn(reply=[reply]) as second:
        environ = {"AICALL_BASE_URL_OPENAI": first.base_url, "AICALL_BASE_URL_ANTHROPIC": second.base_url}

        def make(engine: str) -> Callable[[], Any]:
            return lambda: build_llm(
                EngineModel.parse(engine), key=_KEY, system_instruction="Help.", resources=clients, environ=environ
            )

        seat = LlmFailover(
            _candidates(("openai", make("openai.gpt-4o")), ("anthropic", make("anthropic.claude-sonnet-4-6")))
        )
        seat.watch(figures)
        breaks_after = chance.randrange(2, len(reply.tokens))
        first.faults = Faults(drop_after=breaks_after)
        async with piped(seat, _RATE_HZ) as pipe:
            broke_s = asyncio.create_task(_noted(lambda: first.open_streams == 0 and bool(first.requests)))
            await pipe.send(LLMContextFrame(LLMContext([{"role": "user", "content": "When?"}])))
            began_s = await broke_s
            before = len(pipe.down.of(LLMTextFrame))
            await pipe.down.until(lambda: len(pipe.down.of(LLMTextFrame)) > before, _LIMIT_S)
            figures.sign_ms.append((time.monotonic() - began_s) * 1000)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=_LIMIT_S)
            figures.compare(_ANSWER.split(), "".join(it.text for it in pipe.down.of(LLMTextFrame)).split())


async def _voices(clients: SharedClients, chance: random.Random, figures: Figures) -> None:
    async with DeepgramStandIn() as first, ElevenLabsStandIn() as second:
        environ = {"AICALL_BASE_URL_DEEPGRAM": first.base_url, "AICALL_BASE_URL_ELEVENLABS": second.base_url}

        def make(kind: TtsType) -> Callable[[], Any]:
            return lambda: build_tts(
                kind,
                key=_KEY,
                voice="",
                language="en",
                sample_rate_hz=_RATE_HZ,
                resources=clients,
                environ=environ,
            )

        seat = TtsFailover(_candidates(("deepgram", make(TtsType.DEEPGRAM)), ("elevenlabs", make(TtsType.ELEVENLABS))))
        seat.watch(figures)
        first.faults = Faults(drop_after=chance.randrange(1, 80), chunk_delay_s=0.002)
        async with piped(seat, _RATE_HZ) as pipe:
            broke_s = asyncio.create_task(_noted(lambda: first.connections_made > 0 and first.open_connections == 0))
            tokens = [LLMTextFrame(token) for token in Reply(_ANSWER).tokens]
            await pipe.send(LLMFullResponseStartFrame(), *tokens, LLMFullResponseEndFrame())
            began_s = await broke_s
            before = len(pipe.down.of(TTSAudioRawFrame))
            await pipe.down.until(lambda: len(pipe.down.of(TTSAudioRawFrame)) > before, _LIMIT_S)
            figures.sign_ms.append((time.monotonic() - began_s) * 1000)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=_LIMIT_S)
            figures.compare(_ANSWER.split(), " ".join(it.text for it in pipe.down.of(TTSTextFrame)).split())


async def _noted(condition: Callable[[], bool]) -> float:
    """Wait for something at a stand-in that no frame tells of; returns when it was."""
    async with asyncio.timeout(_LIMIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return time.monotonic()


SEATS = {"stt": _recognisers, "llm": _models, "tts": _voices}
"""What is done in each seat."""


async def measure(switches: int, seed: int = 1) -> dict[str, Figures]:
    """Measure every seat.

    Args:
        switches: How often in each.
        seed: Of the moments at which the vendors break off.
    """
    chance = random.Random(seed)
    found = {name: Figures() for name in SEATS}
    clients = SharedClients()
    clients.warm()
    try:
        for name, seat in SEATS.items():
            # The first one imports and warms what a server has warm before it listens.
            await seat(clients, chance, Figures())
            for _ in range(switches):
                await seat(clients, chance, found[name])
    finally:
        await clients.aclose()
    return found


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    parser.add_argument("--switches", type=int, default=30, help="how many in each seat")
    options = parser.parse_args()
    logger.remove()
    print("| seat | switches | switch p50/p95/max, ms | first sign p50/p95/max, ms | words | lost | twice |")
    print("|---|---|---|---|---|---|---|")
    for name, it in asyncio.run(measure(options.switches)).items():
        times = [
            f"{statistics.median(values):.0f} / {p95(values):.0f} / {max(values):.0f}"
            for values in (it.switch_ms, it.sign_ms)
        ]
        print(f"| {name} | {len(it.switch_ms)} | {times[0]} | {times[1]} | {it.words} | {it.lost} | {it.twice} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
