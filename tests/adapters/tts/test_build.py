"""From an AI to the vendor's wire: the key, the endpoint and the voice that are really used."""

from dataclasses import fields
from typing import Any

import pytest
from pipecat.frames.frames import TTSSpeakFrame, TTSStoppedFrame
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.requests import TtsRequest
from adapters.tts.build import build_tts, voice_identity
from models.errors import InvalidField
from models.providers import DEFAULT_VOICES, TtsType
from tests.adapters.tts.contract import SECRET
from tests.adapters.vendors import patient_clients
from tests.standins.base import LoggedRequest
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import piped

VENDORS = [
    pytest.param(TtsType.ELEVENLABS, ElevenLabsStandIn, "21m00Tcm4TlvDq8ikWAM", id="elevenlabs"),
    pytest.param(TtsType.DEEPGRAM, DeepgramStandIn, "aura-2-andromeda-en", id="deepgram"),
    pytest.param(TtsType.OPENAI, OpenAIStandIn, "verse", id="openai"),
]
KEY_HEADERS = ("xi-api-key", "authorization")


def voice_of(request: LoggedRequest) -> str:
    """The voice that a vendor was asked for, wherever its wire has it."""
    if request.endpoint == "multi":
        return request.path.split("/")[3]
    return str(request.query.get("model") or request.body["voice"])


@pytest.mark.parametrize(("tts_type", "stand_in", "other"), VENDORS)
@pytest.mark.parametrize("given", [False, True], ids=["default voice", "given voice"])
async def test_the_vendor_gets_the_voice(tts_type: TtsType, stand_in: Any, other: str, given: bool) -> None:
    request = await spoken_to(tts_type, stand_in, other if given else "", key="stand-in-key")
    assert voice_of(request) == (other if given else DEFAULT_VOICES[tts_type])


@pytest.mark.parametrize(("tts_type", "stand_in", "other"), VENDORS)
@pytest.mark.parametrize(("own", "used"), [("", "of-the-variable"), ("of-the-ai", "of-the-ai")])
async def test_the_ais_own_key_comes_before_the_variables(
    tts_type: TtsType, stand_in: Any, other: str, own: str, used: str
) -> None:
    del other
    request = await spoken_to(tts_type, stand_in, "", key=own)
    assert used in next(request.headers[name] for name in KEY_HEADERS if name in request.headers)


async def spoken_to(tts_type: TtsType, stand_in: Any, voice: str, *, key: str) -> LoggedRequest:
    """Speak a text, and return the vendor's only request."""
    async with stand_in(keys=None) as vendor, patient_clients() as clients:
        environ = {f"{tts_type.upper()}_API_KEY": "of-the-variable"}
        environ[f"AICALL_BASE_URL_{tts_type.upper()}"] = vendor.base_url
        tts = build_tts(
            tts_type,
            key=SecretStr(key),
            voice=voice,
            language="",
            sample_rate_hz=8000,
            resources=clients,
            environ=environ,
        )
        async with piped(tts, 8000) as pipe:
            await pipe.send(TTSSpeakFrame("Hello."))
            await pipe.down.wait(TTSStoppedFrame)
        (request,) = vendor.requests
        assert isinstance(request, LoggedRequest)
        return request


@pytest.mark.parametrize(
    ("tts_type", "field"),
    [
        (TtsType.ELEVENLABS, "parameter.tts_key"),
        (TtsType.DEEPGRAM, "parameter.tts_key"),
        (TtsType.OPENAI, "parameter.tts_key"),
        (TtsType.HUME, "tts_voice_id"),
        (TtsType.PLAYHT, "tts_type"),
    ],
)
async def test_what_cannot_be_made_names_the_field(tts_type: TtsType, field: str) -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_tts(
                tts_type,
                key=SecretStr(""),
                voice="",
                language="",
                sample_rate_hz=8000,
                resources=clients,
                environ={},
            )
        assert caught.value.field == field


VOICE: dict[str, Any] = {
    "tts_type": TtsType.ELEVENLABS,
    "key": SecretStr("key"),
    "voice": "",
    "language": "en-US",
    "sample_rate_hz": 8000,
    "environ": {},
}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("row", {"tts_type": TtsType.DEEPGRAM}),
    ("credentials", {"key": SecretStr("other")}),
    ("credentials", {"environ": {"AICALL_BASE_URL_ELEVENLABS": "wss://elsewhere"}}),
    ("voice", {"voice": "21m00Tcm4TlvDq8ikWAM"}),
    ("language", {"language": "de-DE"}),
    ("sample_rate_hz", {"sample_rate_hz": 16_000}),
    ("model", {"options": {"model": "eleven_v4"}}),
    ("options", {"options": {"model": "eleven_v5"}}),
]


def identity(**changes: Any) -> str:
    given = VOICE | changes
    return voice_identity(given.pop("tts_type"), resources=SharedClients(), **given)


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=str)
def test_whatever_shapes_the_audio_makes_another_voice_of_it(change: dict[str, Any]) -> None:
    assert identity() != identity(**change)


def test_every_field_of_a_request_is_looked_at() -> None:
    assert {field.name for field in fields(TtsRequest)} - {"clients"} == {name for name, _ in CHANGES} - {"row"}


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"voice": DEFAULT_VOICES[TtsType.ELEVENLABS]},
        {"key": SecretStr(""), "environ": {"ELEVENLABS_API_KEY": "key"}},
        {"environ": {"AICALL_BASE_URL_ELEVENLABS": "https://api.elevenlabs.io/"}},
    ],
    ids=str,
)
def test_the_same_voice_is_the_same_however_it_is_written(same: dict[str, Any]) -> None:
    assert identity() == identity(**same)


def test_an_identity_says_nothing_of_the_key() -> None:
    assert SECRET not in identity(key=SecretStr(SECRET))
    assert "elevenlabs" not in identity()


def test_an_identity_needs_what_the_voice_needs() -> None:
    with pytest.raises(InvalidField):
        identity(key=SecretStr(""))
