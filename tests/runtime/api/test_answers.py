"""Requests for answers: who may ask, what they are told, and that a call goes on from there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4
from xml.etree import ElementTree

import httpx
import pytest
from plivo.utils.signature_v3 import construct_post_url, get_signature_v3  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from websockets.asyncio.client import connect

from adapters.answers.table import CARRIERS
from runtime.api.answers import BUSY, FAULT
from tests.adapters.signatures.signers import (
    NONCE,
    OTHER,
    SECRET,
    TELNYX_PUBLIC_KEY,
    USER_PASSWORD,
    telnyx_headers,
    vobiz_headers,
    vonage_headers,
)
from tests.runtime.api.resources import a_team, tenant
from tests.runtime.serving import Api, serving

PUBLIC = "https://calls.example.com/voice"
FORM = {"CallSid": "CA1", "CallUUID": "CA1", "From": "+15550001", "To": "<100>&"}


@asynccontextmanager
async def stranger(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with httpx.AsyncClient(base_url=api.url, timeout=10, trust_env=False) as http:
        yield http


def stream_url(response: httpx.Response) -> str:
    """The stream's URL in a document of any family."""
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    if response.headers["content-type"].startswith("application/xml"):
        stream = next(ElementTree.fromstring(response.text).iter("Stream"))
        return stream.get("url") or stream.text or ""
    document = response.json()
    if isinstance(document, dict):
        return str(document["url"])
    return str(document[0].get("url") or document[0]["endpoint"][0]["uri"])


async def token_of(api: Api, ai: dict[str, Any], kind: str = "ais") -> str:
    made = await api.ok("POST", f"/v1.0/{kind}/{ai['id']}/media_token")
    return str(made["media_url"].rpartition("/")[2])


async def aicalls(api: Api) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await api.ok("GET", "/v1.0/aicalls"))["result"]
    return listed


# Who may ask


@dataclass(frozen=True)
class Asking:
    """How one carrier asks: the settings that want its proof, and its headers for a URL and a body."""

    carrier: str
    settings: dict[str, str]
    headers: Callable[[str, bytes, bool], dict[str, str]]
    content_type: str = "application/x-www-form-urlencoded"
    covers_url: bool = True
    covers_body: bool = True
    url_with_query: bool = True


def _fields(body: bytes) -> dict[str, str]:
    return dict(httpx.QueryParams(body.decode()))


def _plivo(url: str, body: bytes, right: bool) -> dict[str, str]:
    text = construct_post_url(url, _fields(body)).decode()
    secret = (SECRET if right else OTHER).encode()
    signature = get_signature_v3(secret, text, NONCE.encode()).decode()
    return {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": NONCE}


def _twilio(header: str) -> Callable[[str, bytes, bool], dict[str, str]]:
    def headers(url: str, body: bytes, right: bool) -> dict[str, str]:
        return {header: RequestValidator(SECRET if right else OTHER).compute_signature(url, _fields(body))}

    return headers


def _vonage(url: str, body: bytes, right: bool) -> dict[str, str]:
    hashed = hashlib.sha256(body).hexdigest()
    return vonage_headers(time.time(), SECRET if right else OTHER, payload_hash=hashed)


ASKING = (
    Asking("twilio", {"twilio_auth_token": SECRET}, _twilio("X-Twilio-Signature")),
    Asking("signalwire", {"signalwire_signing_key": SECRET}, _twilio("X-SignalWire-Signature")),
    Asking("signalwire", {"signalwire_signing_key": SECRET}, _twilio("X-Twilio-Signature")),
    Asking("plivo", {"plivo_auth_token": SECRET}, _plivo),
    Asking("vobiz", {"vobiz_auth_token": SECRET}, _plivo),
    Asking(
        "vobiz",
        {"vobiz_auth_token": SECRET},
        lambda url, _, right: vobiz_headers(url, SECRET if right else OTHER),
        covers_body=False,
    ),
    Asking(
        "telnyx",
        {"telnyx_public_key": TELNYX_PUBLIC_KEY},
        lambda _, body, right: telnyx_headers(body, time.time() if right else time.time() - 600),
        covers_url=False,
    ),
    Asking("vonage", {"vonage_signature_secret": SECRET}, _vonage, content_type="application/json", covers_url=False),
    Asking(
        "cloudonix",
        {"cloudonix_api_key": SECRET},
        lambda _url, _body, right: {"X-CX-APIKey": SECRET if right else OTHER},
        content_type="application/json",
        covers_url=False,
        covers_body=False,
    ),
    Asking(
        "cloudonix",
        {"cloudonix_api_key": SECRET},
        lambda _url, _body, right: {"Authorization": f"Bearer {SECRET if right else OTHER}"},
        content_type="application/json",
        covers_url=False,
        covers_body=False,
    ),
)


@pytest.mark.parametrize("asking", ASKING, ids=[f"{number}-{it.carrier}" for number, it in enumerate(ASKING)])
async def test_a_carrier_whose_secret_is_set_must_prove_itself(tmp_path: Path, asking: Asking) -> None:
    json_body = {**FORM, "uuid": "CA1", "from": "+15550001", "to": "<100>&"}
    body = (json.dumps(json_body) if asking.content_type.endswith("json") else urlencode(FORM)).encode()
    async with serving(tmp_path, public_url=PUBLIC, **asking.settings) as api, stranger(api) as http:
        ai = await api.new_ai()
        token = await token_of(api, ai)
        path = f"/v1.0/answer/{asking.carrier}/{ai['id']}"

        async def ask(headers: dict[str, str], content: bytes = body, query: str = "") -> httpx.Response:
            headers = {"content-type": asking.content_type, **headers}
            return await http.post(path + query, content=content, headers=headers)

        right = asking.headers(PUBLIC + path, body, True)
        refused = [await ask({}), await ask({}, query=f"?token={token}")]
        refused.append(await ask(asking.headers(PUBLIC + path, body, False)))
        if asking.covers_url:
            refused.append(await ask(asking.headers(api.url + path, body, True)))
        if asking.covers_body:
            refused.append(await ask(right, content=body.replace(b"15550001", b"15550002")))
        for response in refused:
            assert response.status_code == 403, response.text
            assert response.headers["content-type"] == "application/problem+json"
            assert token not in response.text
        assert await aicalls(api) == []

        url = stream_url(await ask(right))
        [aicall] = await aicalls(api)
        assert url.startswith(f"wss://calls.example.com/voice/ws/{aicall['id']}/")
        assert urlsplit(url).path.endswith(f"/{asking.carrier}")
        assert token not in url


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_without_a_secret_a_token_or_a_key_is_enough(tmp_path: Path, carrier: str) -> None:
    async with serving(tmp_path) as api, stranger(api) as http:
        ai = await api.new_ai()
        path = f"/v1.0/answer/{carrier}/{ai['id']}"
        assert (await http.get(f"{path}?token=x")).status_code == 403
        token, old = await token_of(api, ai), "x"
        old, token = token, await token_of(api, ai)
        waiting = await api.new_aicall(ai)
        own = waiting["media_url"].rpartition("/")[2]
        for wrong in ("", "?token=", f"?token={old}", f"?token={token}x", f"?token={own}"):
            assert (await http.get(path + wrong)).status_code == 403
        # Nor does the token of an AIcall open its own.
        assert (await http.get(f"/v1.0/answer/{carrier}/{waiting['id']}?token={own}")).status_code == 403
        for method in ("GET", "POST"):
            assert f"/ws/{waiting['id']}/" not in stream_url(await http.request(method, f"{path}?token={token}"))
            assert stream_url(await api.http.request(method, path))
        assert len(await aicalls(api)) == 5


async def test_a_key_opens_its_customers_ais_only(api: Api) -> None:
    async with tenant(api, "calls") as caller, tenant(api, "read", "write") as other:
        ai = await api.new_ai()
        path = f"/v1.0/answer/twilio/{ai['id']}"
        assert await caller.problem("POST", path, 404)
        assert (await other.problem("POST", path, 403))["detail"] == "the API key lacks the scope calls"
        assert (await other.problem("GET", path, 403))["detail"] == "the API key lacks the scope calls"
    assert await aicalls(api) == []


async def test_unknown_carriers_and_ids(api: Api) -> None:
    ai = await api.new_ai()
    assert (await api.problem("GET", f"/v1.0/answer/nobody/{ai['id']}", 404))["detail"] == "no such carrier"
    await api.problem("GET", f"/v1.0/answer/twilio/{uuid4()}", 404)
    assert await api.wrong_field("GET", "/v1.0/answer/twilio/x") == "id"
    async with stranger(api) as http:
        assert (await http.get(f"/v1.0/answer/twilio/{uuid4()}?token=x")).status_code == 403
        assert (await http.put(f"/v1.0/answer/twilio/{uuid4()}")).status_code == 405


# What they are told


@pytest.mark.parametrize("kind", ["query", "form", "json"])
@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_call_is_told_on(api: Api, carrier: str, kind: str) -> None:
    ai = await api.new_ai()
    row = CARRIERS[carrier]
    said = {row.session[0]: "CA1", row.from_[0]: "+15550001", row.to[0]: "100", "Extra": "é"}
    path = f"/v1.0/answer/{carrier}/{ai['id']}"
    match kind:
        case "query":
            response = await api.http.get(path, params=said)
        case "form":
            response = await api.http.post(path, data=said)
        case _:
            response = await api.http.post(path, json=said)
    stream_url(response)
    for value in ("CA1", "15550001", "100"):
        assert value in response.text
    assert "é" not in response.text


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b'{"From": {"x": 1}}'])
async def test_a_body_that_says_nothing_is_no_error(api: Api, body: bytes) -> None:
    ai = await api.new_ai()
    headers = {"content-type": "application/json"}
    assert stream_url(await api.http.post(f"/v1.0/answer/vonage/{ai['id']}", content=body, headers=headers))


async def test_streams_bear_what_the_settings_want(tmp_path: Path) -> None:
    settings = {
        "signalwire_stream_token": "sw-token",
        "exotel_basic": USER_PASSWORD,
        "jambonz_basic": USER_PASSWORD,
        "vonage_signature_secret": SECRET,
    }
    async with serving(tmp_path, **settings) as api:
        ai = await api.new_ai()

        async def answer(carrier: str) -> str:
            return (await api.http.get(f"/v1.0/answer/{carrier}/{ai['id']}")).text

        assert 'authBearerToken="sw-token"' in await answer("signalwire")
        assert "sw-token" not in await answer("twilio")
        assert f'"wsAuth":{{"username":"pbx","password":"{USER_PASSWORD[4:]}"}}' in await answer("jambonz")
        assert f"ws://pbx:{SECRET}%3Awith%3Acolons@127.0.0.1" in await answer("exotel")
        assert '"authorization":{"type":"vonage"}' in await answer("vonage")


async def test_another_customer_is_not_told_what_streams_bear(tmp_path: Path) -> None:
    settings = {"signalwire_stream_token": SECRET, "exotel_basic": USER_PASSWORD, "jambonz_basic": USER_PASSWORD}
    async with serving(tmp_path, **settings) as api, tenant(api) as customer, stranger(api) as http:
        ai = await customer.new_ai()
        token = await token_of(customer, ai)
        for carrier in ("signalwire", "exotel", "jambonz"):
            path = f"/v1.0/answer/{carrier}/{ai['id']}"
            for response in (await customer.http.get(path), await http.get(f"{path}?token={token}")):
                assert stream_url(response)
                assert SECRET not in response.text
                assert SECRET[:8] not in response.text


async def test_a_proven_carrier_is_told_what_its_streams_bear_for_any_customer(tmp_path: Path) -> None:
    settings = {"signalwire_stream_token": "sw-token", "signalwire_signing_key": SECRET}
    async with serving(tmp_path, **settings) as api, tenant(api) as customer, stranger(api) as http:
        ai = await customer.new_ai()
        path = f"/v1.0/answer/signalwire/{ai['id']}"
        signature = RequestValidator(SECRET).compute_signature(api.url + path, {})
        response = await http.post(path, headers={"X-SignalWire-Signature": signature})
        assert 'authBearerToken="sw-token"' in response.text
        assert "sw-token" not in (await customer.http.post(path)).text


async def test_a_team_answers(api: Api) -> None:
    team = await api.ok("POST", "/v1.0/teams", json=await a_team(api))
    token = await token_of(api, team, "teams")
    async with stranger(api) as http:
        assert stream_url(await http.get(f"/v1.0/answer/twilio/{team['id']}?token={token}"))
    [aicall] = await aicalls(api)
    assert (aicall["assistance_type"], aicall["assistance_id"]) == ("team", team["id"])
    assert aicall["current_member_id"] == team["start_member_id"]


# Errors


async def test_no_room_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, max_calls=1) as api, stranger(api) as http:
        ai = await api.new_ai()
        token = await token_of(api, ai)
        with api.services.capacity.place():
            for carrier, row in CARRIERS.items():
                response = await http.get(f"/v1.0/answer/{carrier}/{ai['id']}?token={token}")
                if row.document.decline("") is None:
                    assert response.status_code == 503
                    assert response.headers["retry-after"]
                else:
                    assert response.status_code == 200
                    assert BUSY in response.text
                # Whoever has a key hears nothing.
                await api.problem("GET", f"/v1.0/answer/{carrier}/{ai['id']}", 503)
        assert await aicalls(api) == []


async def test_a_deleted_ai_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, twilio_auth_token=SECRET) as api, stranger(api) as http:
        ai = await api.new_ai()
        await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
        path = f"/v1.0/answer/twilio/{ai['id']}"
        signature = RequestValidator(SECRET).compute_signature(api.url + path, {})
        response = await http.post(path, headers={"X-Twilio-Signature": signature})
        assert response.status_code == 200
        assert [it.tag for it in ElementTree.fromstring(response.text)] == ["Say", "Hangup"]
        assert FAULT in response.text


# And then


async def test_a_number_pointed_at_one_url_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, twilio_auth_token=SECRET) as api, stranger(api) as http:
        ai = await api.new_ai(parameter={"greeting": "Good morning."})
        path = f"/v1.0/answer/twilio/{ai['id']}"
        validator = RequestValidator(SECRET)
        headers = {"X-Twilio-Signature": validator.compute_signature(api.url + path, FORM)}
        response = await http.post(path, data=FORM, headers=headers)
        url = stream_url(response)
        parameters = {
            it.attrib["name"]: it.attrib["value"] for it in ElementTree.fromstring(response.text).iter("Parameter")
        }
        assert parameters == {"session": "CA1", "from": "+15550001", "to": "<100>&"}
        signed = {"X-Twilio-Signature": validator.compute_signature(url, {})}
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"]}
        start |= {"mediaFormat": media_format, "customParameters": parameters}
        async with asyncio.timeout(20), connect(url, additional_headers=signed, proxy=None) as socket:
            await socket.send('{"event": "connected", "protocol": "Call", "version": "1.0.0"}')
            await socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}))
            assert json.loads(await socket.recv())["event"] == "media"
        [aicall] = await aicalls(api)
        assert aicall["assistance_id"] == ai["id"]
