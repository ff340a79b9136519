"""The PlayHT stand-in, as the documents tell a client to use it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.standins.audio import encode, signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.playht import USER, VOICE, PlayHtStandIn, wav_header

HEADERS = {"X-USER-ID": USER, "AUTHORIZATION": f"Bearer {DEFAULT_KEY}"}
BODY = {"text": "Hello.", "voice": VOICE, "voice_engine": "Play3.0-mini", "output_format": "mulaw", "sample_rate": 8000}


async def ask(body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    async with PlayHtStandIn() as vendor, httpx.AsyncClient() as http:
        return await http.post(f"{vendor.base_url}/api/v2/tts/stream", json=body, headers=headers)


async def test_speaks_for_the_telephone() -> None:
    response = await ask(BODY, HEADERS | {"Accept": "audio/basic"})
    assert response.content == encode(signature("Hello.", 8000), "mulaw")


async def test_speaks_in_a_wav_file() -> None:
    response = await ask(BODY | {"output_format": "wav", "sample_rate": 24_000}, HEADERS | {"Accept": "audio/wav"})
    assert response.content == wav_header(24_000) + signature("Hello.", 24_000)


@pytest.mark.parametrize("form", ["{}", "Bearer {}"])
async def test_a_key_may_be_called_a_bearer(form: str) -> None:
    assert (await ask(BODY, HEADERS | {"AUTHORIZATION": form.format(DEFAULT_KEY)})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"X-USER-ID": USER}, HEADERS | {"X-USER-ID": "x"}, HEADERS | {"AUTHORIZATION": "x"}]
)
async def test_a_wrong_pair_is_refused(headers: dict[str, str]) -> None:
    response = await ask(BODY, headers)
    assert response.status_code == 401
    assert response.json() == {"error_id": "UNAUTHORIZED", "error_message": "Wrong user id or API key."}


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": "..."},
        {"text": "a" * 20_001},
        {"text": "a" * 2001, "voice_engine": "PlayDialog"},
        {"voice": ""},
        {"voice_engine": "Play9"},
        {"sample_rate": 7999},
        {"sample_rate": 48_001},
        {"output_format": "mp3"},
        {"words": "unknown"},
    ],
    ids=",".join,
)
async def test_refuses_what_the_vendor_refuses(change: dict[str, Any]) -> None:
    assert (await ask(BODY | change, HEADERS)).status_code == 400


async def test_the_accepted_type_must_fit() -> None:
    assert (await ask(BODY, HEADERS | {"Accept": "audio/mpeg"})).status_code == 400


async def test_there_is_nothing_else() -> None:
    async with PlayHtStandIn() as vendor, httpx.AsyncClient() as http:
        assert (await http.get(f"{vendor.base_url}/api/v2/voices")).status_code == 404
