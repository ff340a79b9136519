"""What phone systems are answered that route a call to an assistant; the words are those of pbx facts A5."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from lxml import etree

from tests.runtime.api.resources import a_team, tenant
from tests.runtime.api.test_assistants import DEEPDUB, PATH, make
from tests.runtime.serving import Api, serving

CALL = {"CallSid": "002a426a-74e3_4c66", "From": "+12125551234", "To": "50000"}
NOT_FOUND = "AI Agent not found. Goodbye."


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path, public_url="https://calls.example.com") as running:
        yield running


def read(answer: httpx.Response) -> etree._Element:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/xml"
    assert answer.headers["cache-control"] == "no-store"
    root = etree.fromstring(answer.content)
    assert root.tag == "Response"
    return root


async def ask(api: Api, assistant: dict[str, Any], **call: str) -> etree._Element:
    return read(await api.http.get(f"{PATH}/{assistant['id']}/cxml", params={**CALL, **call}))


def said(root: etree._Element) -> str:
    assert [it.tag for it in root] == ["Say", "Hangup"]
    return str(root[0].text)


async def test_a_sip_provider_is_dialled(api: Api) -> None:
    made = await make(api, provider="retell", configuration={"phone_number": "+14155551234"})
    root = await ask(api, made, action="https://pbx.example.com/next?a=1")
    (dial,) = root
    (service,) = dial
    assert (dial.tag, dict(dial.attrib)) == ("Dial", {"action": "https://pbx.example.com/next?a=1"})
    assert (service.tag, dict(service.attrib), service.text) == ("Service", {"provider": "retell"}, "+14155551234")


@pytest.mark.parametrize("form", ["query", "form", "json", "both"])
async def test_a_websocket_provider_is_connected_however_the_call_is_told(api: Api, form: str) -> None:
    path = f"{PATH}/{(await make(api, **DEEPDUB))['id']}/cxml"
    call = {**CALL, "Domain": "pbx.example.com", "Session": ""}
    requests: dict[str, httpx.Request] = {
        "query": api.http.build_request("GET", path, params=call),
        "form": api.http.build_request("POST", path, data=call),
        "json": api.http.build_request("POST", path, json={**call, "Direction": None, "Extra": None}),
        "both": api.http.build_request("POST", path, params={"CallSid": CALL["CallSid"], "From": "x"}, data=call),
    }
    ((stream,),) = read(await api.http.send(requests[form]))
    assert stream.get("url") == (
        "wss://bot.deepdub.dev/ws/bot123/canary-token?session=002a426a-74e3_4c66&from=%2B12125551234&to=50000"
    )


@pytest.mark.parametrize(
    ("direction", "swapped"),
    [("", False), ("inbound", False), ("application", False), ("outbound", True), ("outbound-api", True)],
)
async def test_to_the_assistant_from_is_the_person_on_the_line(api: Api, direction: str, swapped: bool) -> None:
    ((stream,),) = await ask(api, await make(api, **DEEPDUB), Direction=direction)
    query = parse_qs(urlsplit(stream.get("url") or "").query)
    ends = (CALL["To"], CALL["From"]) if swapped else (CALL["From"], CALL["To"])
    assert (query["from"], query["to"]) == ([ends[0]], [ends[1]])


async def test_an_inactive_assistant_takes_no_calls(api: Api) -> None:
    made = await make(api, **DEEPDUB, status="inactive")
    assert said(await ask(api, made)) == NOT_FOUND
    await api.ok("PUT", f"{PATH}/{made['id']}", json={"status": "active"})
    assert (await ask(api, made))[0].tag == "Connect"


async def test_one_that_is_not_there_is_told_in_words(api: Api) -> None:
    made = await make(api)
    assert said(await ask(api, {"id": 4711})) == NOT_FOUND
    async with tenant(api) as other:
        assert said(await ask(other, made)) == NOT_FOUND
    assert (await api.http.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert said(await ask(api, made)) == NOT_FOUND


@pytest.mark.parametrize("kind", ["ai", "team"])
async def test_this_runtime_makes_an_aicall_for_each_call(api: Api, kind: str) -> None:
    if kind == "ai":
        target = await api.new_ai()
    else:
        target = await api.ok("POST", "/v1.0/teams", json=await a_team(api))
    made = await make(api, provider="aicall", configuration={"assistance_id": target["id"], "assistance_type": kind})
    urls = []
    for _ in range(2):
        ((stream,),) = await ask(api, made)
        urls.append(urlsplit(stream.get("url") or ""))
    aicalls = (await api.ok("GET", "/v1.0/aicalls"))["result"]
    assert {it["assistance_id"] for it in aicalls} == {target["id"]}
    assert {it.path.split("/")[2] for it in urls} == {it["id"] for it in aicalls}
    for url in urls:
        assert (url.scheme, url.netloc) == ("wss", "calls.example.com")
        assert parse_qs(url.query) == {"session": [CALL["CallSid"]], "from": [CALL["From"]], "to": [CALL["To"]]}


async def test_an_ai_that_is_gone_is_told_in_words(api: Api) -> None:
    ai = await api.new_ai()
    made = await make(api, provider="aicall", configuration={"assistance_id": ai["id"]})
    await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
    assert said(await ask(api, made)) == "AI Assistant configuration error. Goodbye."
    assert (await api.ok("GET", "/v1.0/aicalls"))["result"] == []


async def test_no_room_is_told_in_words(api: Api) -> None:
    async with tenant(api, max_calls=1) as busy:
        ai = await busy.new_ai()
        made = await make(busy, provider="aicall", configuration={"assistance_id": ai["id"]})
        assert (await ask(busy, made))[0].tag == "Connect"
        assert said(await ask(busy, made)) == "All AI Agents are busy, please call again later. Goodbye."


async def test_a_call_that_cannot_be_read_is_refused(api: Api) -> None:
    path = f"{PATH}/{(await make(api))['id']}/cxml"
    for call, field in (
        ({}, "CallSid"),
        ({"CallSid": ""}, "CallSid"),
        ({"CallSid": "a b"}, "CallSid"),
        ({"CallSid": "a\n"}, "CallSid"),
        ({"CallSid": "x" * 256}, "CallSid"),
        ({**CALL, "From": "1" * 256}, "From"),
        ({**CALL, "action": "javascript:x"}, "action"),
    ):
        told = [
            await api.problem("GET", path, 422, params=call),
            await api.problem("POST", path, 422, data=call),
            await api.problem("POST", path, 422, json=call),
        ]
        assert [list(it["errors"]) for it in told] == [[field]] * 3
    json_type = {"Content-Type": "application/json"}
    await api.problem("POST", path, 400, content="{", headers=json_type)
    assert "body" in (await api.problem("POST", path, 422, content="[]", headers=json_type))["errors"]


async def test_a_phone_system_shows_a_customers_key(api: Api) -> None:
    async with tenant(api, "write", "calls") as owner, httpx.AsyncClient(base_url=api.url, trust_env=False) as pbx:
        path = f"{PATH}/{(await make(owner))['id']}/cxml"
        key = owner.http.headers["authorization"].removeprefix("Bearer ")
        for headers, status in (
            ({"Authorization": f"Bearer {key}"}, 200),
            ({"X-Cx-Apikey": key}, 200),
            ({"X-Cx-Apikey": key + "x"}, 401),
            ({"X-Cx-Apikey": ""}, 401),
            ({"Authorization": "Bearer x", "X-Cx-Apikey": key}, 401),
            ({}, 401),
        ):
            assert (await pbx.get(path, params=CALL, headers=headers)).status_code == status, headers
        # Nowhere else.
        assert (await pbx.get(PATH, headers={"X-Cx-Apikey": key})).status_code == 401
    # The document holds what the configuration does not show.
    async with tenant(api, "read", "write") as reader:
        path = f"{PATH}/{(await make(reader, **DEEPDUB))['id']}/cxml"
        assert (await reader.problem("GET", path, 403, params=CALL))["detail"] == "the API key lacks the scope calls"
