from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipecat.services.tts_service import TTSService
from pydantic import SecretStr

from adapters.tts.build import build_tts
from models.providers import TtsType
from tests.adapters.tts.contract import TtsContract
from tests.adapters.vendors import patient_clients


class TestEspeak(TtsContract):
    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[TTSService]:
        async with patient_clients() as clients:
            yield build_tts(
                TtsType.ESPEAK,
                key=SecretStr(""),
                voice="",
                language="",
                sample_rate_hz=self.rate_hz,
                resources=clients,
                environ={},
            )


class TestEspeakAt16k(TestEspeak):
    rate_hz = audio_rate_hz = 16_000
