import struct

import pytest
from pipecat.frames.frames import TTSSpeakFrame, TTSStoppedFrame
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.tts.build import build_tts
from adapters.tts.playht import wav_start
from models.errors import InvalidField
from models.providers import TtsType
from tests.adapters.tts.contract import SENTENCE, audio
from tests.adapters.tts.contract_http import HttpTtsContract
from tests.adapters.vendors import BOUND_S, KEY, first_error, patient_clients
from tests.standins.audio import signature
from tests.standins.faults import Faults
from tests.standins.pipeline import piped
from tests.standins.playht import USER, VOICE, PlayHtStandIn, wav_header


class TestPlayHt(HttpTtsContract):
    tts_type = TtsType.PLAYHT
    endpoint = "speech"
    stand_in = PlayHtStandIn
    voice = VOICE
    key_form = f"{USER}:{{}}"
    long_chars = 2100

    async def test_asks_for_telephone_audio(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("speech")
            assert request.headers["x-user-id"] == USER
            assert request.headers["authorization"] == f"Bearer {KEY.get_secret_value()}"
            assert request.body == {
                "text": SENTENCE,
                "voice": VOICE,
                "voice_engine": "Play3.0-mini",
                "output_format": "wav",
                "sample_rate": 8000,
            }
            assert audio(pipe) == signature(SENTENCE, 8000)

    @pytest.mark.parametrize("body", [b"RIFF", b"\xff\xf3 mp3", wav_header(24_000) + bytes(100)])
    async def test_what_is_no_wav_file_of_the_calls_rate_shows(self, body: bytes) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(answer=("audio/wav", body))
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await first_error(pipe, ErrorCategory.SERVER)
            assert not audio(pipe)


@pytest.mark.parametrize(
    ("key", "environ", "field"),
    [
        ("user:key", {}, "tts_type"),
        ("key", {"AICALL_BASE_URL_PLAYHT": "http://host"}, "parameter.tts_key"),
        ("", {"AICALL_BASE_URL_PLAYHT": "http://host"}, "parameter.tts_key"),
    ],
)
async def test_a_closed_vendor_needs_an_endpoint_and_a_pair(key: str, environ: dict[str, str], field: str) -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_tts(
                TtsType.PLAYHT,
                key=SecretStr(key),
                voice=VOICE,
                language="",
                sample_rate_hz=8000,
                resources=clients,
                environ=environ,
            )
    assert caught.value.field == field


def test_samples_begin_behind_the_header() -> None:
    head = wav_header(16_000)
    assert [wav_start(head[:size], 16_000) for size in range(len(head))] == [0] * len(head)
    assert wav_start(head + b"\1\2", 16_000) == len(head) == 44


def test_other_parts_of_a_wav_file_are_passed_over() -> None:
    head = wav_header(16_000)
    note = struct.pack("<4sI", b"LIST", 5) + b"hello\0"
    longer = head[:36] + note + head[36:]
    assert wav_start(longer, 16_000) == len(longer)
    assert wav_start(longer[:-9], 16_000) == 0


@pytest.mark.parametrize(
    "head",
    [b"<html>", b"RIFX", wav_header(8000), wav_header(16_000).replace(b"data", b"junk") + bytes(5000)],
    ids=["html", "big endian", "another rate", "no samples"],
)
def test_what_is_no_wav_file_is_told(head: bytes) -> None:
    with pytest.raises(ValueError, match="the vendor sent"):
        wav_start(head, 16_000)
