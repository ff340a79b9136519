"""Polly's side of SynthesizeSpeech and DescribeVoices: the voices, and what is refused.

Written after https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html,
https://docs.aws.amazon.com/polly/latest/dg/API_DescribeVoices.html and
https://docs.aws.amazon.com/polly/latest/dg/available-voices.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tests.standins.base import HttpError

ENGINES = ("standard", "neural", "long-form", "generative")
_FORMATS = ("json", "mp3", "ogg_opus", "ogg_vorbis", "pcm", "mulaw", "alaw")
_MOST_BILLED = 3000
_MOST_TOTAL = 6000


@dataclass(frozen=True)
class PollyVoice:
    """A voice, as DescribeVoices tells of it."""

    id: str
    gender: str
    language: str
    language_name: str
    engines: tuple[str, ...]
    additional: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The ``Voice`` object of the API."""
        return {
            "Gender": self.gender,
            "Id": self.id,
            "LanguageCode": self.language,
            "LanguageName": self.language_name,
            "Name": self.id,
            "SupportedEngines": list(self.engines),
        } | ({"AdditionalLanguageCodes": list(self.additional)} if self.additional else {})


VOICES = (
    PollyVoice("Joanna", "Female", "en-US", "US English", ("generative", "neural", "standard")),
    PollyVoice("Matthew", "Male", "en-US", "US English", ("generative", "neural", "standard")),
    PollyVoice("Patrick", "Male", "en-US", "US English", ("long-form",)),
    PollyVoice("Aditi", "Female", "en-IN", "Indian English", ("standard",), ("hi-IN",)),
    PollyVoice("Kajal", "Female", "en-IN", "Indian English", ("generative", "neural"), ("hi-IN",)),
    PollyVoice("Vicki", "Female", "de-DE", "German", ("generative", "neural", "standard")),
    PollyVoice("Mizuki", "Female", "ja-JP", "Japanese", ("standard",)),
)


@dataclass(frozen=True)
class Order:
    """A request for speech that Polly would accept.

    Attributes:
        text: What is spoken, without tags.
        sample_rate_hz: Rate of the 16-bit PCM, Hz.
        characters: Characters that are billed.
    """

    text: str
    sample_rate_hz: int
    characters: int


def _refuse(code: str, message: str) -> HttpError:
    return HttpError(400, message, code=code)


def _one_of(body: Mapping[str, Any], name: str, allowed: Sequence[str], default: str = "") -> str:
    value = body.get(name, default)
    if value not in allowed:
        where = name[0].lower() + name[1:]
        raise _refuse(
            "ValidationException",
            f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: Member must "
            f"satisfy enum value set: [{', '.join(allowed)}]",
        )
    return str(value)


def read_order(body: Mapping[str, Any], voices: Sequence[PollyVoice]) -> Order:
    """Read a request for speech as strictly as Polly does.

    Raises:
        HttpError: With status 400 and Amazon's code.
    """
    by_id = {voice.id: voice for voice in voices}
    voice = by_id[_one_of(body, "VoiceId", tuple(by_id))]
    if _one_of(body, "OutputFormat", _FORMATS) != "pcm":
        raise _refuse("ValidationException", "the stand-in has no encoder for this format")
    rate = body.get("SampleRate", "16000")
    if rate not in ("8000", "16000"):
        raise _refuse("InvalidSampleRateException", "Unsupported sample rate for the output format pcm")
    engine = _one_of(body, "Engine", ENGINES, "standard")
    if engine not in voice.engines:
        raise _refuse("EngineNotSupportedException", f"This voice does not support the selected engine: {engine}")
    language = body.get("LanguageCode")
    if language is not None and language not in (voice.language, *voice.additional):
        raise _refuse("LanguageNotSupportedException", "This voice does not support the selected language")
    text = _spoken(body)
    return Order(text, int(rate), len(text))


def _spoken(body: Mapping[str, Any]) -> str:
    text = body.get("Text")
    if not isinstance(text, str):
        raise _refuse("ValidationException", "1 validation error detected: Value at 'text' must not be null")
    total = len(text)
    if _one_of(body, "TextType", ("ssml", "text"), "text") == "ssml":
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError:
            raise _refuse("InvalidSsmlException", "Invalid SSML request") from None
        if root.tag != "speak":
            raise _refuse("InvalidSsmlException", "Invalid SSML request")
        text = "".join(root.itertext())
    if len(text) > _MOST_BILLED or total > _MOST_TOTAL:
        raise _refuse("TextLengthExceededException", "Maximum text length has been exceeded")
    return text
