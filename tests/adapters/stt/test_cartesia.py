import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import InterimTranscriptionFrame
from pipecat.utils.errors import ErrorCategory

from adapters.requests import Credentials
from adapters.stt.cartesia import API_VERSION, CartesiaWire
from adapters.stt.recognizer_wire import Heard, Refusal
from models.errors import InvalidField
from models.providers import SttType
from tests.adapters.stt.contract import VendorSttContract, finals
from tests.adapters.vendors import BOUND_S, KEY, first_error, impatient_clients
from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY, LoggedRequest
from tests.standins.cartesia import CartesiaStandIn
from tests.standins.pipeline import piped


class TestCartesia(VendorSttContract):
    stt_type = SttType.CARTESIA
    endpoint = "stt"
    stand_in = CartesiaStandIn
    words = "I would like an appointment"
    languages: ClassVar = {"en-US": "en", "de-DE": "de", "pt-BR": "pt", "nb-NO": "no", "zh-HK": "yue", "": ""}
    unknown_language = "ga-IE"

    @property
    def speech(self) -> bytes:
        return signature("a sentence of about two seconds", self.rate_hz)

    def language_told(self, request: LoggedRequest) -> str:
        return request.query.get("language", "")

    def rate_told(self, request: LoggedRequest) -> int:
        return int(request.query["sample_rate"])

    def times_asked(self, request: LoggedRequest) -> int:
        return request.messages.count("finalize")

    async def test_asks_for_what_it_needs(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz):
            await self.vendor.until(lambda: bool(self.vendor.requests), BOUND_S)
            (request,) = self.vendor.requests
            assert request.path == "/stt/websocket"
            assert request.query == {
                "model": "ink-2",
                "encoding": "pcm_s16le",
                "sample_rate": "8000",
                "language": "en",
            }
            assert request.headers["x-api-key"] == DEFAULT_KEY
            assert request.headers["cartesia-version"] == API_VERSION

    @pytest.mark.parametrize(
        ("language", "wanted", "used"),
        [
            ("", "", "ink-2"),
            ("en-GB", "", "ink-2"),
            ("fr-FR", "", "ink-whisper"),
            ("en-GB", "ink-whisper-2025-06-04", "ink-whisper-2025-06-04"),
            ("fr-FR", "ink-whisper-2025-06-04", "ink-whisper-2025-06-04"),
        ],
    )
    async def test_the_newest_model_that_knows_the_language_is_used(
        self, language: str, wanted: str, used: str
    ) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            stt = self.build(vendor, clients, language=language, options={"model": wanted})
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert vendor.requests[0].query["model"] == used

    async def test_a_model_that_does_not_know_the_language_is_refused(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            with pytest.raises(InvalidField) as caught:
                self.build(vendor, clients, language="fr-FR", options={"model": "ink-2"})
            assert caught.value.field == "stt_language"

    async def test_a_model_that_does_not_exist_is_not_asked_for_again(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            stt = self.build(vendor, clients, options={"model": "ink-nonsense"})
            async with piped(stt, self.rate_hz) as pipe:
                await first_error(pipe, ErrorCategory.INVALID_REQUEST)
                assert not stt.is_usable
            assert len(vendor.requests) == 1

    async def test_says_goodbye(self) -> None:
        async with self.hearing() as stt:
            async with piped(stt, self.rate_hz) as pipe:
                await self.caller_says(pipe, self.speech)
                await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            assert self.vendor.requests[0].messages == ["finalize", "close"]

    async def test_what_is_told_early_begins_with_what_is_final_already(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            texts = [frame.text for frame in pipe.down.of(InterimTranscriptionFrame)]
            assert all(self.words.startswith(text) for text in texts)
            assert self.words in texts


def wire() -> CartesiaWire:
    return CartesiaWire(Credentials(KEY, "wss://host"), model="ink-2", language="", sample_rate_hz=8000)


def transcript(text: str, *, is_final: bool) -> str:
    return json.dumps({"type": "transcript", "text": text, "is_final": is_final, "request_id": "1"})


FLUSH_DONE = json.dumps({"type": "flush_done", "request_id": "1"})


def test_pieces_are_joined_as_they_are() -> None:
    it = wire()
    assert it.finalize(2.5) == "finalize"
    assert it.receive(transcript("This is a sin", is_final=True)) == Heard(text="This is a sin")
    assert it.receive(transcript("gle sent", is_final=False)) == Heard(text="This is a single sent")
    it.receive(transcript("gle sentence. ", is_final=True))
    assert it.receive(FLUSH_DONE) == Heard(text="This is a single sentence.", is_final=True, answers=True, end_s=2.5)
    assert it.receive(transcript(" And", is_final=False)) == Heard(text="And")


def test_each_answer_knows_up_to_where_it_goes() -> None:
    it = wire()
    it.finalize(1.0)
    it.finalize(2.0)
    answers = [it.receive(FLUSH_DONE) for _ in range(3)]
    assert [answer.end_s for answer in answers if isinstance(answer, Heard)] == [1.0, 2.0, 0.0]


def test_a_new_connection_forgets_the_pieces_that_it_hears_again() -> None:
    it = wire()
    it.finalize(1.0)
    it.receive(transcript("I would", is_final=True))
    it.begin()
    it.finalize(3.0)
    it.receive(transcript("I would like", is_final=True))
    assert it.receive(FLUSH_DONE) == Heard(text="I would like", is_final=True, answers=True, end_s=3.0)


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, ErrorCategory.INVALID_REQUEST),
        (401, ErrorCategory.AUTHENTICATION),
        (402, ErrorCategory.QUOTA),
        (429, ErrorCategory.RATE_LIMIT),
        (500, ErrorCategory.SERVER),
    ],
)
def test_an_error_says_why_and_quotes_nothing(status: int, category: ErrorCategory) -> None:
    error = {"type": "error", "status_code": status, "title": "t", "message": "your key abc", "error_code": None}
    refusal = wire().receive(json.dumps(error))
    assert refusal == Refusal(f"Cartesia ended the session (status {status})", category)


@pytest.mark.parametrize("kind", ["done", "connected", "something new"])
def test_passes_over_other_messages(kind: str) -> None:
    assert wire().receive(json.dumps({"type": kind})) is None


FIELDS = st.dictionaries(
    st.sampled_from(["type", "text", "is_final", "language", "status_code"]),
    st.sampled_from(["transcript", "flush_done", "error"]) | st.none() | st.booleans() | st.integers() | st.text(),
    max_size=5,
)


@given(st.binary(max_size=40) | FIELDS.map(json.dumps) | st.lists(st.integers(), max_size=2).map(json.dumps))
def test_anything_else_is_a_value_error(message: str | bytes) -> None:
    try:
        heard = wire().receive(message)
    except ValueError:
        return
    assert heard is None or isinstance(heard, Heard | Refusal)
