import asyncio
import json

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.tts.build import build_tts
from adapters.tts.google import split_text, wav_samples
from models.providers import TtsType
from tests.adapters.tts.contract import OTHER, SENTENCE, VendorTtsContract, model_says, spoken_text
from tests.adapters.vendors import BOUND_S, IMPATIENT, KEY, captured_log, first_error, impatient_clients, until
from tests.standins.audio import signature
from tests.standins.faults import Faults
from tests.standins.google_accounts import service_account
from tests.standins.google_tts import GoogleTtsStandIn
from tests.standins.pipeline import piped


class GoogleContract(VendorTtsContract):
    tts_type = TtsType.GOOGLE
    stand_in = GoogleTtsStandIn

    def build(self, vendor, clients, key=KEY, rate_hz=8000):
        # The stand-in knows one account and no stranger's.
        account = service_account() if key is KEY else service_account("stranger")
        return self.build_for(vendor, clients, account, rate_hz)

    def build_for(self, vendor, clients, account, rate_hz=8000):
        return build_tts(
            self.tts_type,
            key=SecretStr(account),
            voice=self.voice,
            language="en-US",
            sample_rate_hz=rate_hz,
            resources=clients,
            environ={"AICALL_BASE_URL_GOOGLE": vendor.base_url},
        )

    async def test_the_first_sentence_finds_a_connection_open(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "preconnect tts"))
            assert self.vendor.connections_made == 1
            assert not self.vendor.requests
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert self.vendor.connections_made == 1

    async def test_calls_share_a_connection_and_a_token(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            for _ in range(3):
                async with piped(self.build(vendor, clients), self.rate_hz) as pipe:
                    await pipe.send(TTSSpeakFrame(SENTENCE))
                    await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert vendor.connections_made == 1
            assert len({request.headers["authorization"] for request in vendor.requests}) == 1
            # Another account neither shares the token nor the connection.
            async with piped(self.build_for(vendor, clients, service_account("stranger")), self.rate_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await first_error(pipe, ErrorCategory.AUTHENTICATION)
            assert vendor.connections_made == 2

    async def test_a_connection_lost_before_the_first_audio_is_tried_again(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(drop_after=0, first=1)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert spoken_text(pipe) == SENTENCE
            assert not pipe.up.of(ErrorFrame)

    @pytest.mark.parametrize("change", [{"private_key": "none"}, {"private_key": ""}, {"private_key_id": ""}])
    async def test_an_account_without_its_key_is_refused(self, change: dict[str, str]) -> None:
        account = json.dumps(json.loads(service_account()) | change | {"project_id": "p"})
        account = account.replace('"private_key": ""', '"private_key": "-"')
        async with self.stand_in() as vendor, impatient_clients() as clients:
            tts = self.build_for(vendor, clients, account)
            async with piped(tts, self.rate_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                error = await first_error(pipe, ErrorCategory.AUTHENTICATION)
                assert error.processor is tts
                await until(lambda: not tts.is_usable)

    async def test_the_private_key_is_never_logged(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
            tts = self.build(vendor, clients)
            async with piped(tts, self.rate_hz) as pipe:
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (token,) = {request.headers["authorization"].split()[1] for request in vendor.requests}
        secrets = [*json.loads(service_account())["private_key"].split("\n")[1:-2], token]
        assert lines
        assert not [line for line in lines for secret in secrets if secret in line]


class TestChirp(GoogleContract):
    endpoint = "stream"
    voice = "en-US-Chirp3-HD-Charon"
    long_chars = 6000

    async def test_asks_for_the_voice_in_its_own_language(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("stream")
            assert request.messages == [
                {
                    "streaming_config": {
                        "voice": {"language_code": "en-US", "name": "en-US-Chirp3-HD-Charon"},
                        "streaming_audio_config": {"audio_encoding": "PCM", "sample_rate_hertz": 8000},
                    }
                },
                {"input": {"text": SENTENCE}},
            ]


class TestWavenet(GoogleContract):
    endpoint = "speech"
    long_chars = 6000

    async def test_asks_for_the_voice_in_its_own_language(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("speech")
            assert request.body == {
                "input": {"text": SENTENCE},
                "voice": {"language_code": "en-US", "name": "en-US-Wavenet-D"},
                "audio_config": {"audio_encoding": "LINEAR16", "sample_rate_hertz": 8000},
            }

    # A sentence comes whole or not at all.

    @pytest.mark.parametrize(
        "faults",
        [pytest.param(Faults(drop_after=0), id="drop"), pytest.param(Faults(stall_after=0), id="stall")],
    )
    async def test_a_vendor_that_dies_in_mid_sentence_shows(self, faults: Faults) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = faults
            await model_says(pipe, SENTENCE)
            await first_error(pipe, ErrorCategory.CONNECTIVITY)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert not pipe.down.of(TTSAudioRawFrame)
            assert not spoken_text(pipe)
            assert tts.is_usable
            self.vendor.faults = Faults()
            await model_says(pipe, OTHER)
            await pipe.down.until(lambda: spoken_text(pipe) == OTHER, BOUND_S)

    async def test_an_interruption_stops_the_vendor(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(stall_after=0)
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await self.vendor.until(lambda: bool(self.vendor.requests))
            assert self.vendor.open_streams
            began_s = asyncio.get_running_loop().time()
            await pipe.send(InterruptionFrame())
            await until(lambda: not self.vendor.open_streams)
            assert asyncio.get_running_loop().time() - began_s < IMPATIENT.voice_quiet_s / 2
            assert not pipe.up.of(ErrorFrame)

    async def test_garbage_in_mid_sentence_is_got_over(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(garbage_after=0)
            await model_says(pipe, SENTENCE)
            await first_error(pipe, ErrorCategory.SERVER)
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert tts.is_usable
            self.vendor.faults = Faults()
            await model_says(pipe, OTHER)
            await pipe.down.until(lambda: spoken_text(pipe) == OTHER, BOUND_S)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("short", ["short"]),
        ("", [""]),
        ("one two three", ["one two", "three"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
        ("ääääää", ["ääää", "ää"]),
        ("aääääää", ["aäää", "äää"]),
        ("🙂🙂🙂", ["🙂🙂", "🙂"]),
        ("12345678 90", ["12345678", "90"]),
    ],
)
def test_a_text_is_cut_at_spaces_and_never_within_a_character(text: str, pieces: list[str]) -> None:
    assert split_text(text, 8) == pieces


def wav(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(
        name + (len(data) if size is None else size).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WAVE" + body


def test_the_samples_of_a_file_are_found_behind_any_header() -> None:
    pcm = signature("hello", 8000)
    assert wav_samples(wav((b"fmt ", bytes(16)), (b"data", pcm))) == pcm
    assert wav_samples(wav((b"fmt ", bytes(18)), (b"LIST", b"odd"), (b"data", pcm), (b"LIST", b"more"))) == pcm
    assert wav_samples(wav((b"data", pcm), size=0xFFFFFFFF)) == pcm
    assert wav_samples(wav((b"data", pcm + b"\1"))) == pcm


@pytest.mark.parametrize("file", [b"", b"ID3", wav((b"fmt ", bytes(16))), b"RIFF\0\0\0\0AVI "])
def test_what_is_no_sound_file_is_an_error(file: bytes) -> None:
    with pytest.raises(ValueError, match="WAV"):
        wav_samples(file)
