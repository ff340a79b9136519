from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

from pipecat.services.stt_service import STTService
from pydantic import SecretStr

from adapters.stt.build import build_stt
from adapters.tts.espeak import synthesize
from models.providers import SttType
from tests.adapters.stt.contract import SttContract
from tests.adapters.vendors import patient_clients

PHRASES = ("i would like an appointment", "what are your opening hours", "goodbye and thank you")


class TestPocketsphinx(SttContract):
    rate_hz = 16_000
    words = "what are your opening hours"

    @cached_property
    def speech(self) -> bytes:
        return synthesize(self.words, "en-us", self.rate_hz)

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[STTService]:
        async with patient_clients() as clients:
            yield build_stt(
                SttType.POCKETSPHINX,
                key=SecretStr(""),
                language="",
                sample_rate_hz=self.rate_hz,
                stop_secs=0.2,
                phrases=PHRASES,
                resources=clients,
                environ={},
            )
