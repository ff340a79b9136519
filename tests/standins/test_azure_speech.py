"""The Azure Speech stand-in, as the documents tell a client to use it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.standins.audio import decode, encode, signature
from tests.standins.azure_speech import AzureSpeechStandIn
from tests.standins.base import DEFAULT_KEY

GOOD = {
    "Ocp-Apim-Subscription-Key": DEFAULT_KEY,
    "Content-Type": "application/ssml+xml",
    "X-Microsoft-OutputFormat": "raw-16khz-16bit-mono-pcm",
    "User-Agent": "test",
}
HEAD = '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'


def ssml(text: str, voice: str = "en-US-JennyNeural") -> str:
    return f'{HEAD}<voice name="{voice}">{text}</voice></speak>'


async def ask(body: str, **headers: str) -> httpx.Response:
    async with AzureSpeechStandIn() as vendor, httpx.AsyncClient() as http:
        given = {name: value for name, value in (GOOD | headers).items() if value}
        return await http.post(f"{vendor.base_url}/cognitiveservices/v1", content=body.encode(), headers=given)


@pytest.mark.parametrize(
    ("name", "rate_hz", "encoding"),
    [
        ("raw-8khz-16bit-mono-pcm", 8000, "linear16"),
        ("raw-22050hz-16bit-mono-pcm", 22_050, "linear16"),
        ("raw-48khz-16bit-mono-pcm", 48_000, "linear16"),
        ("raw-8khz-8bit-mono-mulaw", 8000, "mulaw"),
    ],
)
async def test_speaks_in_every_raw_format(name: str, rate_hz: int, encoding: str) -> None:
    response = await ask(ssml("Hello &amp; bye."), **{"X-Microsoft-OutputFormat": name})
    assert response.status_code == 200
    expected = encode(signature("Hello & bye.", rate_hz), encoding)
    assert decode(response.content, encoding).tolist() == decode(expected, encoding).tolist()


async def test_punctuation_is_answered_with_nothing() -> None:
    response = await ask(ssml("..."))
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (ssml("a"), {"Ocp-Apim-Subscription-Key": "wrong"}, 401),
        (ssml("a"), {"Ocp-Apim-Subscription-Key": ""}, 401),
        (ssml("a"), {"Content-Type": "text/plain"}, 415),
        (ssml("a"), {"X-Microsoft-OutputFormat": ""}, 400),
        (ssml("a"), {"X-Microsoft-OutputFormat": "pcm"}, 400),
        (ssml("a"), {"User-Agent": "x" * 255}, 400),
        (ssml("a", "en-US-NobodyNeural"), {}, 400),
        (ssml("a & b"), {}, 400),
        ("plain text", {}, 400),
        (HEAD.replace(' xml:lang="en-US"', "") + '<voice name="en-US-JennyNeural">a</voice></speak>', {}, 400),
        (f"{HEAD}a</speak>", {}, 400),
    ],
)
async def test_refuses_what_the_vendor_refuses(body: str, headers: dict[str, str], status: int) -> None:
    assert (await ask(body, **headers)).status_code == status


async def test_lists_voices_and_nothing_else() -> None:
    async with AzureSpeechStandIn() as vendor, httpx.AsyncClient(base_url=vendor.base_url, headers=GOOD) as http:
        voices: list[dict[str, Any]] = (await http.get("/cognitiveservices/voices/list")).json()
        assert voices[0]["ShortName"] == "en-US-JennyNeural"
        assert voices[0]["Name"] == "Microsoft Server Speech Text to Speech Voice (en-US, JennyNeural)"
        assert (await http.get("/cognitiveservices/v1")).status_code == 404
