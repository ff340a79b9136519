from collections.abc import AsyncIterator

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.tts.build import build_tts
from adapters.tts.hume import HumeVoice, lines_of, voice_of
from models.errors import InvalidField
from models.providers import TtsType
from tests.adapters.tts.contract import OTHER, SENTENCE, audio, model_says, seconds, spoken_text
from tests.adapters.tts.contract_http import HttpTtsContract
from tests.adapters.vendors import BOUND_S, KEY, first_error, patient_clients
from tests.standins.audio import CHARS_PER_S
from tests.standins.base import StandIn
from tests.standins.faults import Faults
from tests.standins.hume import VOICE_ID, HumeStandIn
from tests.standins.pipeline import piped


class TestHume(HttpTtsContract):
    tts_type = TtsType.HUME
    endpoint = "speech"
    stand_in = HumeStandIn
    audio_rate_hz = 48_000
    voice = VOICE_ID
    long_chars = 1200

    async def test_says_when_each_word_is_spoken(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, SENTENCE, OTHER)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            words = [frame for frame in pipe.down.of(TTSTextFrame) if frame.pts is not None]
            # As they are written, although the vendor tells them without punctuation.
            assert [word.text.strip() for word in words] == f"{SENTENCE} {OTHER}".split()
            begin_ns = words[0].pts
            assert begin_ns is not None
            times_s = [(word.pts - begin_ns) / 1e9 for word in words if word.pts is not None]
            for text, at in (("morning,", SENTENCE.index("morning")), ("close", len(SENTENCE) + OTHER.index("close"))):
                number = [word.text.strip() for word in words].index(text)
                assert times_s[number] == pytest.approx(at / CHARS_PER_S, abs=0.01)

    @pytest.mark.parametrize("words_first", [False, True])
    async def test_after_an_interruption_only_what_was_heard_counts(self, words_first: bool) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.words_first = words_first  # type: ignore[attr-defined]
            self.vendor.faults = Faults(stall_after=12)
            await model_says(pipe, SENTENCE, OTHER)
            await pipe.down.wait(TTSAudioRawFrame, 5, BOUND_S)
            await pipe.down.until(lambda: "morning," in spoken_text(pipe), BOUND_S)
            await pipe.send(InterruptionFrame())
            await pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
            heard = spoken_text(pipe)
            assert SENTENCE.startswith(heard)
            assert len(heard) / CHARS_PER_S < seconds(pipe) + 0.5
            assert heard != SENTENCE

    async def test_asks_for_an_instant_answer_with_words(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("speech")
            assert request.body == {
                "utterances": [{"text": SENTENCE, "voice": {"id": VOICE_ID}}],
                "format": {"type": "pcm"},
                "instant_mode": True,
                "split_utterances": False,
                "version": "2",
                "include_timestamp_types": ["word"],
            }

    @pytest.mark.parametrize(
        ("body", "category"),
        [
            (b'{"error": "overloaded", "code": "E0500"}\n', ErrorCategory.SERVER),
            (b'{"type": "error", "message": "no"}\n', ErrorCategory.SERVER),
            (b'{"type": "timestamp", "timestamp": {}}\n', ErrorCategory.SERVER),
            (b'{"type": "audio", "audio": "no base64!"}\n', ErrorCategory.SERVER),
            (b'["list"]\n', ErrorCategory.SERVER),
            (b"<html></html>", ErrorCategory.SERVER),
        ],
    )
    async def test_lines_that_make_no_sense_show(self, body: bytes, category: ErrorCategory) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(answer=("application/json", body))
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await first_error(pipe, category)
            assert not pipe.down.of(TTSAudioRawFrame)
            assert tts.is_usable

    async def test_messages_of_other_kinds_are_passed_over(self) -> None:
        body = b'{"type": "news"}\n\n{"type": "audio", "audio": "AAAAAA=="}\n{"type": "audio", "audio": ""}'
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.faults = Faults(answer=("application/json", body))
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            assert audio(pipe) == bytes(4)
            assert not pipe.up.of(ErrorFrame)


def made(vendor: StandIn, clients: SharedClients, voice: str, **options: str) -> HumeVoice:
    tts = build_tts(
        TtsType.HUME,
        key=KEY,
        voice=voice,
        language="",
        sample_rate_hz=8000,
        resources=clients,
        environ={"AICALL_BASE_URL_HUME": vendor.base_url},
        options=options,
    )
    assert isinstance(tts, HumeVoice)
    return tts


@pytest.mark.parametrize(
    ("voice", "provider"), [("Ava Song", ""), ("Our clinic", "CUSTOM_VOICE"), (VOICE_ID, "HUME_AI")]
)
async def test_a_voice_can_be_named(voice: str, provider: str) -> None:
    async with HumeStandIn() as vendor, patient_clients() as clients:
        tts = made(vendor, clients, voice, voice_provider=provider)
        async with piped(tts, 8000) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame)
            assert not pipe.up.of(ErrorFrame)


async def test_octave_1_tells_no_times_and_its_words_are_spread_over_the_audio() -> None:
    async with HumeStandIn() as vendor, patient_clients() as clients:
        tts = made(vendor, clients, VOICE_ID, model="1")
        async with piped(tts, 8000) as pipe:
            await model_says(pipe, SENTENCE, OTHER)
            await pipe.down.wait(LLMFullResponseEndFrame)
            assert "include_timestamp_types" not in vendor.requests_to("speech")[0].body
            assert spoken_text(pipe) == f"{SENTENCE} {OTHER}"
            times = [frame.pts for frame in pipe.down.of(TTSTextFrame) if frame.pts is not None]
            assert times == sorted(times)
            assert (times[-1] - times[0]) / 1e9 > len(SENTENCE) / CHARS_PER_S


@pytest.mark.parametrize("code", ["E0300", "E0301"])
async def test_an_account_without_credit_shows(code: str) -> None:
    class Poor(HumeStandIn):
        def check_key(self, request: object) -> None:
            from tests.standins.base import HttpError

            raise HttpError(400, code=code)

    async with Poor() as vendor, patient_clients() as clients:
        tts = made(vendor, clients, VOICE_ID)
        async with piped(tts, 8000) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await first_error(pipe, ErrorCategory.QUOTA)
        assert len(vendor.requests_to("speech")) == 1


async def test_there_is_no_default_voice() -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_tts(
                TtsType.HUME,
                key=SecretStr("key"),
                voice="",
                language="",
                sample_rate_hz=8000,
                resources=clients,
                environ={},
            )
    assert caught.value.field == "tts_voice_id"


@pytest.mark.parametrize(
    ("name", "provider", "voice"),
    [
        ("Ava Song", "", {"name": "Ava Song", "provider": "HUME_AI"}),
        ("Mine", "CUSTOM_VOICE", {"name": "Mine", "provider": "CUSTOM_VOICE"}),
        (VOICE_ID, "", {"id": VOICE_ID}),
        (VOICE_ID, "CUSTOM_VOICE", {"id": VOICE_ID, "provider": "CUSTOM_VOICE"}),
    ],
)
def test_how_a_voice_is_named(name: str, provider: str, voice: dict[str, str]) -> None:
    assert voice_of(name, provider) == voice


async def test_lines_end_at_line_feeds_only() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in ("a\u2028", "b\n", "", "\n\nc", "\x85d", "\ne"):
            yield piece.encode()

    assert [line.decode() async for line in lines_of(pieces())] == ["a\u2028b", "c\x85d", "e"]
