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

from adapters.tts.build import build_tts
from models.providers import TtsType
from tests.adapters.tts.contract import OTHER, SENTENCE, VendorTtsContract, model_says, seconds, spoken_text
from tests.adapters.vendors import BOUND_S, KEY, first_error, impatient_clients, until
from tests.standins.base import DEFAULT_KEY
from tests.standins.cartesia import CartesiaStandIn
from tests.standins.pipeline import piped


class TestCartesia(VendorTtsContract):
    tts_type = TtsType.CARTESIA
    endpoint = "tts"
    stand_in = CartesiaStandIn

    async def test_says_when_each_word_is_spoken(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, SENTENCE, OTHER)
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            words = pipe.down.of(TTSTextFrame)
            assert [frame.text.strip() for frame in words] == f"{SENTENCE} {OTHER}".split()
            times = [frame.pts for frame in words if frame.pts is not None]
            assert len(times) == len(words)
            assert times == sorted(set(times))

    async def test_asks_for_telephone_audio(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
            (request,) = self.vendor.requests_to("tts")
            assert request.path == "/tts/websocket"
            assert request.headers["x-api-key"] == DEFAULT_KEY
            assert request.headers["cartesia-version"] == "2026-03-01"
            first, last = request.messages[0], request.messages[-1]
            assert first["output_format"] == {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}
            assert first["voice"] == {"mode": "id", "id": "71a7ad14-091c-4e8e-a314-022ece01c121"}
            assert (first["model_id"], first["language"]) == ("sonic-3.6", "en-US")
            assert (first["transcript"].strip(), first["continue"]) == (SENTENCE, True)
            assert (last["transcript"], last["continue"]) == ("", False)
            assert {message["context_id"] for message in request.messages} == {first["context_id"]}

    async def test_an_interruption_cancels_the_context(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, *[SENTENCE] * 30)
            await pipe.down.wait(TTSAudioRawFrame, 2, BOUND_S)
            await pipe.send(InterruptionFrame())
            (request,) = self.vendor.requests_to("tts")
            await self.vendor.until(lambda: bool(request.messages[-1].get("cancel")), BOUND_S)
            assert request.messages[-1] == {"context_id": request.messages[0]["context_id"], "cancel": True}

    async def test_an_interruption_without_a_connection_does_no_harm(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            await model_says(pipe, *[SENTENCE] * 30)
            await pipe.down.wait(TTSAudioRawFrame, 2, BOUND_S)
            await self.vendor.refuse()
            self.vendor.drop_connections()
            await pipe.send(InterruptionFrame())
            await pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
            await self.vendor.accept()
            before_s = seconds(pipe)
            await until(lambda: self.vendor.open_connections)
            await pipe.send(TTSSpeakFrame(OTHER))
            await pipe.down.until(lambda: spoken_text(pipe).endswith(OTHER), BOUND_S)
            assert seconds(pipe) > before_s

    @pytest.mark.parametrize(
        ("voice", "model", "category"),
        [
            ("nobody", "", ErrorCategory.INVALID_REQUEST),
            ("", "nonsense", ErrorCategory.INVALID_REQUEST),
        ],
    )
    async def test_what_cartesia_refuses_in_the_stream_shows_at_once(
        self, voice: str, model: str, category: ErrorCategory
    ) -> None:
        async with self.stand_in(any_voice=False) as vendor, impatient_clients() as clients:
            tts = build_tts(
                self.tts_type,
                key=KEY,
                voice=voice,
                language="",
                sample_rate_hz=8000,
                resources=clients,
                environ={"AICALL_BASE_URL_CARTESIA": vendor.base_url},
                options={"model": model},
            )
            async with piped(tts, self.rate_hz) as pipe:
                await model_says(pipe, SENTENCE)
                error = await first_error(pipe, category)
                assert error.processor is tts
                assert not tts.is_usable
                await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
                assert not spoken_text(pipe)

    async def test_a_connection_that_cartesia_closes_when_idle_is_opened_anew(self) -> None:
        async with self.speaking() as tts:
            self.vendor.tts_idle_s = 0.05
            async with piped(tts, self.rate_hz) as pipe:
                await until(lambda: self.vendor.requests)
                self.vendor.tts_idle_s = 60
                await until(lambda: len(self.vendor.requests) == 2)
                await pipe.send(TTSSpeakFrame(SENTENCE))
                await pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
                assert not pipe.up.of(ErrorFrame)

    async def test_a_connection_that_cartesia_closes_in_mid_sentence_shows(self) -> None:
        async with self.speaking() as tts, piped(tts, self.rate_hz) as pipe:
            self.vendor.tts_first_byte_s = BOUND_S
            self.vendor.tts_idle_s = 0.05
            await until(lambda: self.vendor.requests)
            self.vendor.drop_connections()
            await until(lambda: len(self.vendor.requests) == 2)
            self.vendor.tts_idle_s = 60
            await model_says(pipe, SENTENCE)
            error = await first_error(pipe, ErrorCategory.CONNECTIVITY)
            assert error.error == "the voice broke off in mid-sentence"
            await pipe.down.wait(LLMFullResponseEndFrame, timeout_s=BOUND_S)
            assert tts.is_usable
