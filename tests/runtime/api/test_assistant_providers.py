from __future__ import annotations

import httpx

from tests.runtime.api.resources import tenant
from tests.runtime.serving import Api

PATH = "/api/v1/ai-assistant/providers"
FIELDS = {"key", "name", "protocol", "url_template", "config_fields", "description"}


async def test_the_list_is_grouped_by_protocol(api: Api) -> None:
    data = (await api.ok("GET", PATH))["data"]
    assert data["protocols"] == ["sip", "websocket"] == list(data["grouped"])
    assert data["grouped"]["sip"] + data["grouped"]["websocket"] == data["providers"]
    assert len(data["grouped"]["sip"]) == 16
    assert [it["key"] for it in data["grouped"]["websocket"]] == ["deepdub", "aicall"]
    assert all(it.keys() == FIELDS for it in data["providers"])


async def test_one_provider(api: Api) -> None:
    vapi = (await api.ok("GET", f"{PATH}/vapi"))["data"]
    assert (vapi["key"], vapi["name"], vapi["protocol"]) == ("vapi", "VAPI", "sip")
    assert (await api.problem("GET", f"{PATH}/unknown", 404))["message"] == "Provider not found"


async def test_the_providers_of_a_protocol(api: Api) -> None:
    for protocol, count in (("sip", 16), ("websocket", 2)):
        data = (await api.ok("GET", f"{PATH}/protocol/{protocol}"))["data"]
        assert [it["protocol"] for it in data] == [protocol] * count
    refused = await api.problem("GET", f"{PATH}/protocol/invalid", 400)
    assert refused["message"] == 'Invalid protocol. Must be "sip" or "websocket".'


async def test_everybody_with_a_key_that_reads_sees_them(api: Api) -> None:
    async with tenant(api, "read") as reader, tenant(api, "write") as writer:
        assert await reader.ok("GET", PATH) == await api.ok("GET", PATH)
        await writer.problem("GET", PATH, 403)
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as stranger:
        assert (await stranger.get(PATH)).status_code == 401
