"""Azure Speech's REST API for text-to-speech: synthesis and the list of voices.

Written after https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech (headers, output
formats, status codes) and https://learn.microsoft.com/azure/ai-services/speech-service/speech-synthesis-markup-structure
(root element, reserved characters). That a text of punctuation is answered with nothing, and plain text with 400, is
told in Azure-Samples/cognitive-services-speech-sdk issue 2111 and MicrosoftDocs/azure-docs issue 22431.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar
from xml.etree import ElementTree

from aiohttp import web

from tests.standins.audio import encode, signature
from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.wire import ByteStream

_SSML = "{http://www.w3.org/2001/10/synthesis}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_FORMATS = {
    "raw-8khz-8bit-mono-mulaw": (8000, "mulaw"),
    "raw-8khz-8bit-mono-alaw": (8000, "alaw"),
    "raw-8khz-16bit-mono-pcm": (8000, "linear16"),
    "raw-16khz-16bit-mono-pcm": (16_000, "linear16"),
    "raw-22050hz-16bit-mono-pcm": (22_050, "linear16"),
    "raw-24khz-16bit-mono-pcm": (24_000, "linear16"),
    "raw-44100hz-16bit-mono-pcm": (44_100, "linear16"),
    "raw-48khz-16bit-mono-pcm": (48_000, "linear16"),
}
"""The raw formats among the documented ones, to rate in Hz and encoding."""

VOICES = {
    "en-US-JennyNeural": ("Jenny", "Female", "en-US"),
    "en-US-GuyNeural": ("Guy", "Male", "en-US"),
    "de-DE-KatjaNeural": ("Katja", "Female", "de-DE"),
    "sr-Latn-RS-NicholasNeural": ("Nicholas", "Male", "sr-Latn-RS"),
}


class AzureSpeechStandIn(StandIn):
    """Azure Speech on loopback. `base_url` is ``http://127.0.0.1:PORT``.

    The chunks of audio have an odd number of bytes, since nothing promises anything else.

    Args:
        tts_first_byte_s: Wait before the first byte of speech, seconds.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("speech", "voices")

    def __init__(self, *, tts_first_byte_s: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.tts_first_byte_s = tts_first_byte_s

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        """Name the endpoint of a request."""
        if (request.method, request.path) == ("POST", "/cognitiveservices/v1"):
            return "speech"
        if (request.method, request.path) == ("GET", "/cognitiveservices/voices/list"):
            return "voices"
        raise HttpError(404)

    def key_of(self, request: web.BaseRequest) -> str | None:
        """The ``Ocp-Apim-Subscription-Key`` header."""
        return request.headers.get("Ocp-Apim-Subscription-Key")

    def parse_body(self, request: web.BaseRequest, body: bytes) -> Any:
        """The text of the SSML document, with the voice and the languages, for the log."""
        if request.headers.get("Content-Type", "").partition(";")[0] != "application/ssml+xml":
            raise HttpError(415)
        try:
            root = ElementTree.fromstring(body)
        except ElementTree.ParseError as bad:
            raise HttpError(400) from bad
        if root.tag != f"{_SSML}speak" or root.get("version") != "1.0" or not root.get(_XML_LANG):
            raise HttpError(400)
        voices = list(root)
        if [element.tag for element in voices] != [f"{_SSML}voice"] or (root.text or "").strip():
            raise HttpError(400)
        (voice,) = voices
        return {"voice": voice.get("name"), "lang": root.get(_XML_LANG), "text": "".join(voice.itertext())}

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        """The status alone: the body is empty, and the reason stands in the status line."""
        return web.Response(status=status, reason=message)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        """Serve one request."""
        if log.endpoint == "voices":
            return web.json_response([_voice(name, *facts) for name, facts in VOICES.items()])
        spec = _FORMATS.get(request.headers.get("X-Microsoft-OutputFormat", ""))
        agent = request.headers.get("User-Agent", "")
        if spec is None or not agent or len(agent) >= 255:
            raise HttpError(400)
        if log.body["voice"] not in VOICES:
            raise HttpError(400, f"Unsupported voice {log.body['voice']}.")
        await asyncio.sleep(self.tts_first_byte_s)
        rate_hz, encoding = spec
        text = log.body["text"]
        audio = encode(signature(text, rate_hz), encoding) if any(map(str.isalnum, text)) else b""
        stream = await ByteStream.open(self, request, log, "audio/basic" if encoding == "mulaw" else "audio/x-wav")
        step = len(encode(bytes(rate_hz // 10 * 2), encoding)) + 1
        for start in range(0, len(audio), step):
            await stream.send(audio[start : start + step])
        return await stream.end()


def _voice(short_name: str, name: str, gender: str, locale: str) -> dict[str, Any]:
    return {
        "Name": f"Microsoft Server Speech Text to Speech Voice ({locale}, {short_name.removeprefix(locale)[1:]})",
        "DisplayName": name,
        "LocalName": name,
        "ShortName": short_name,
        "Gender": gender,
        "Locale": locale,
        "LocaleName": locale,
        "SampleRateHertz": "24000",
        "VoiceType": "Neural",
        "Status": "GA",
        "WordsPerMinute": "152",
    }
