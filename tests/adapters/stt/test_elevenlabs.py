import base64
import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import ErrorFrame
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import VendorLimits
from adapters.requests import Credentials
from adapters.stt.elevenlabs import ElevenLabsWire
from adapters.stt.recognizer_wire import Heard, Refusal
from models.providers import SttType
from tests.adapters.stt.contract import VendorSttContract, finals
from tests.adapters.vendors import BOUND_S, KEY, clients_with, first_error, impatient_clients, until
from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY, LoggedRequest
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.pipeline import piped

RATE_HZ = 8000


class TestElevenLabs(VendorSttContract):
    stt_type = SttType.ELEVENLABS
    endpoint = "realtime"
    stand_in = ElevenLabsStandIn
    words = "I would like an appointment"
    languages: ClassVar = {"en-US": "eng", "de-AT": "deu", "nb-NO": "nor", "zh-HK": "yue", "zh-CN": "zho", "": ""}
    unknown_language = "eu-ES"

    @property
    def speech(self) -> bytes:
        return signature("a sentence of about two seconds", self.rate_hz)

    def language_told(self, request: LoggedRequest) -> str:
        return request.query.get("language_code", "")

    def rate_told(self, request: LoggedRequest) -> int:
        return int(request.query["audio_format"].removeprefix("pcm_"))

    def times_asked(self, request: LoggedRequest) -> int:
        return sum(message["commit"] for message in request.messages)

    async def test_asks_for_what_it_needs(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz):
            await self.vendor.until(lambda: bool(self.vendor.requests), BOUND_S)
            (request,) = self.vendor.requests
            assert request.path == "/v1/speech-to-text/realtime"
            assert request.query == {
                "model_id": "scribe_v2_realtime",
                "audio_format": "pcm_8000",
                "commit_strategy": "manual",
                "language_code": "eng",
            }
            assert request.headers["xi-api-key"] == DEFAULT_KEY

    async def test_a_key_that_is_refused_after_the_upgrade_is_not_tried_again(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            stt = self.build(vendor, clients, SecretStr("wrong"))
            async with piped(stt, self.rate_hz) as pipe:
                await first_error(pipe, ErrorCategory.AUTHENTICATION)
                assert not stt.is_usable
            assert len(vendor.requests) == 1

    async def test_a_session_that_has_run_its_course_is_followed_by_another_without_an_error(self) -> None:
        async with (
            self.stand_in(transcripts=lambda _: self.words) as vendor,
            clients_with(VendorLimits(stable_s=0.0)) as clients,
            piped(self.build(vendor, clients), self.rate_hz) as pipe,
        ):
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: bool(finals(pipe)), BOUND_S)
            await vendor.end_sessions("session_time_limit_exceeded")
            await until(lambda: len(vendor.requests) == 2)
            await self.caller_says(pipe, self.speech)
            await pipe.down.until(lambda: len(finals(pipe)) == 2, BOUND_S)
            assert not pipe.up.of(ErrorFrame)

    async def test_sessions_that_end_at_once_are_failures(self) -> None:
        async with self.hearing() as stt, piped(stt, self.rate_hz) as pipe:
            await until(lambda: self.vendor.requests)
            await self.vendor.end_sessions("insufficient_audio_activity")
            await first_error(pipe, ErrorCategory.CONNECTIVITY)
            assert stt.is_usable


def wire() -> ElevenLabsWire:
    return ElevenLabsWire(
        Credentials(KEY, "wss://host"), model="scribe_v2_realtime", language="", sample_rate_hz=RATE_HZ
    )


def committed(text: str) -> str:
    return json.dumps({"message_type": "committed_transcript", "text": text})


def audio_in(message: str) -> bytes:
    return base64.b64decode(json.loads(message)["audio_base_64"])


def test_audio_goes_in_chunks_of_base64() -> None:
    assert json.loads(wire().audio(b"\x01\x02")) == {
        "message_type": "input_audio_chunk",
        "audio_base_64": "AQI=",
        "commit": False,
        "sample_rate": RATE_HZ,
    }


@pytest.mark.parametrize(("sent_s", "silence_s"), [(0.0, 0.3), (0.1, 0.2), (0.3, 0.0), (5.0, 0.0)])
def test_a_commit_has_the_least_audio_that_one_may_have(sent_s: float, silence_s: float) -> None:
    it = wire()
    it.audio(b"\x01\x02" * int(sent_s * RATE_HZ))
    message = it.finalize(sent_s)
    assert json.loads(message)["commit"] is True
    assert audio_in(message) == bytes(round(silence_s * RATE_HZ) * 2)
    # The next one starts from nothing.
    assert len(audio_in(it.finalize(sent_s))) == int(0.3 * RATE_HZ) * 2


def test_each_answer_knows_up_to_where_it_goes() -> None:
    it = wire()
    it.finalize(1.0)
    it.finalize(2.0)
    assert it.receive(committed(" Hello. ")) == Heard(text="Hello.", is_final=True, answers=True, end_s=1.0)
    throttled = json.dumps({"message_type": "commit_throttled", "error": "only 0.01s of uncommitted audio"})
    assert it.receive(throttled) == Heard(text="", is_final=True, answers=True, end_s=2.0)


def test_a_new_connection_counts_from_its_own_beginning() -> None:
    it = wire()
    it.audio(bytes(5 * RATE_HZ * 2))
    it.finalize(5.0)
    it.begin()
    assert len(audio_in(it.finalize(1.0))) == int(0.3 * RATE_HZ) * 2
    assert it.receive(committed("Hello.")) == Heard(text="Hello.", is_final=True, answers=True, end_s=1.0)


def test_a_commit_of_the_vendors_own_answers_nobody_and_settles_what_it_surely_holds() -> None:
    it = wire()
    it.audio(bytes(5 * RATE_HZ * 2))
    assert it.receive(committed("A long story")) == Heard(text="A long story", is_final=True, end_s=4.0)


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("auth_error", ErrorCategory.AUTHENTICATION),
        ("unaccepted_terms", ErrorCategory.AUTHORIZATION),
        ("quota_exceeded", ErrorCategory.QUOTA),
        ("rate_limited", ErrorCategory.RATE_LIMIT),
        ("input_error", ErrorCategory.INVALID_REQUEST),
        ("queue_overflow", ErrorCategory.SERVER),
        ("session_time_limit_exceeded", None),
    ],
)
def test_an_error_says_why_and_quotes_nothing(kind: str, category: ErrorCategory | None) -> None:
    refusal = wire().receive(json.dumps({"message_type": kind, "error": "your key abc"}))
    assert refusal == Refusal(f"ElevenLabs ended the session ({kind})", category)


@pytest.mark.parametrize("kind", ["session_started", "committed_transcript_with_timestamps", "something new"])
def test_passes_over_other_messages(kind: str) -> None:
    assert wire().receive(json.dumps({"message_type": kind, "text": "x"})) is None


FIELDS = st.dictionaries(
    st.sampled_from(["message_type", "text", "language_code"]),
    st.sampled_from(["partial_transcript", "committed_transcript", "error"]) | st.none() | st.integers() | st.text(),
    max_size=3,
)


@given(st.binary(max_size=40) | FIELDS.map(json.dumps) | st.lists(st.integers(), max_size=2).map(json.dumps))
def test_anything_else_is_a_value_error(message: str | bytes) -> None:
    try:
        heard = wire().receive(message)
    except ValueError:
        return
    assert heard is None or isinstance(heard, Heard | Refusal)
