"""What every phone system must show, on a real server behind a proxy: refused before the upgrade, or let in."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from adapters.media.registry import PROTOCOLS
from tests.adapters.signatures.signers import SIGNERS, Signer
from tests.runtime.serving import serving

PUBLIC = "https://calls.example.com/voice"
CASES = [(signer, protocol) for signer in SIGNERS for protocol in signer.protocols if protocol in PROTOCOLS]


async def status_of(url: str, headers: dict[str, str]) -> int:
    """Dial and hang up; returns the status with which the upgrade was answered."""
    try:
        async with connect(url, additional_headers=headers, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(("signer", "protocol"), CASES, ids=[f"{it.name}-{name}" for it, name in CASES])
async def test_nothing_unproven_is_accepted(tmp_path: Path, signer: Signer, protocol: str) -> None:
    async with serving(tmp_path, public_url=PUBLIC, **signer.settings) as api:
        media_url = (await api.new_aicall())["media_url"]
        public = f"{media_url}/{protocol}?session=a%20b"
        path = urlsplit(media_url).path.removeprefix("/voice")
        inside = f"{api.url.replace('http', 'ws')}{path}/{protocol}?session=a%20b"
        now_s = time.time()
        refused = [{}, signer.headers(public, now_s, False)]
        if signer.bound:
            refused.append(signer.headers(inside, now_s, True))
        if signer.window_s:
            refused.append(signer.headers(public, now_s - signer.window_s - 60, True))
        for headers in refused:
            assert await status_of(inside, headers) == 401
            # Nor without saying which protocol it is.
            assert await status_of(f"{inside.rpartition('/')[0]}?session=a%20b", headers) == 401
        [listed] = (await api.ok("GET", "/v1.0/aicalls"))["result"]
        assert listed["status"] == "initiating"
        assert await status_of(inside, signer.headers(public, now_s, True)) == 101


async def test_the_protocol_in_the_path_is_that_of_the_query(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        media_url = (await api.new_aicall())["media_url"]
        assert await status_of(f"{media_url}/TWILIO", {}) == 422
        assert await status_of(f"{media_url}/twilio/x", {}) in {403, 404}
        assert await status_of(f"{media_url}x/twilio", {}) == 401
        assert await status_of(f"{media_url}/plain?protocol=twilio", {}) == 101
