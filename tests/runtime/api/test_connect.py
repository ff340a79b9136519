"""What may be asked of ``/connect``. What becomes of it stands in tests/runtime/calls/test_dial_out.py."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.runtime.api.resources import tenant
from tests.runtime.serving import Api

URL = "wss://203.0.113.10/media/c1"
BODIES: list[tuple[dict[str, Any], str]] = [
    ({}, "url"),
    ({"url": ""}, "url"),
    ({"url": 5}, "url"),
    ({"url": "wss:"}, "url"),
    ({"url": "wss://"}, "url"),
    ({"url": "wss://host:99999/"}, "url"),
    ({"url": "https://203.0.113.10/media/c1"}, "url"),
    ({"url": "ws://203.0.113.10/media/c1"}, "url"),
    ({"url": "wss://user:password@203.0.113.10/media/c1"}, "url"),
    ({"url": "wss://10.0.0.1/media/c1"}, "url"),
    ({"url": "wss://169.254.169.254/latest"}, "url"),
    ({"url": "wss://x/" + "x" * 2048}, "url"),
    ({"url": URL, "protocol": "carrier-pigeon"}, "protocol"),
    ({"url": URL, "protocol": "audiosocket"}, "protocol"),
    ({"url": URL, "from": "x" * 1025}, "from"),
    ({"url": URL, "surprise": 1}, "surprise"),
]


@pytest.mark.parametrize(("body", "field"), BODIES)
async def test_wrong_fields_are_named(api: Api, body: dict[str, Any], field: str) -> None:
    aicall = await api.new_aicall()
    assert await api.wrong_field("POST", f"/v1.0/aicalls/{aicall['id']}/connect", json=body) == field


async def test_only_ones_own_phone_calls_are_connected(api: Api) -> None:
    await api.problem("POST", f"/v1.0/aicalls/{uuid4()}/connect", 404, json={"url": URL})
    aicall = await api.new_aicall()
    async with tenant(api) as stranger:
        await stranger.problem("POST", f"/v1.0/aicalls/{aicall['id']}/connect", 404, json={"url": URL})
    written = await api.new_aicall(reference_type="conversation")
    public = "wss://192.0.32.8/media/c1"
    await api.problem("POST", f"/v1.0/aicalls/{written['id']}/connect", 409, json={"url": public})
