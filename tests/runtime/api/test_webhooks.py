from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.event import NewEvent
from tests.runtime.serving import Api, serving
from tests.standins.faults import Faults
from tests.standins.webhook_receiver import SECRET, WebhookReceiver

FIELDS = {"id", "customer_id", "name", "url", "event_types", "status", "tm_create", "tm_update", "tm_delete"}
URL = "https://hooks.example.com/aicall"
PATIENCE_S = 20.0


def a_webhook(**changes: Any) -> dict[str, Any]:
    return {"name": "CRM", "url": URL, **changes}


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookReceiver]:
    monkeypatch.setenv("AICALL_ALLOW_PRIVATE_ENDPOINTS", "true")
    async with WebhookReceiver() as receiver:
        yield receiver


async def looked_up(api: Api, path: str, found: Callable[[dict[str, Any]], bool], field: str) -> Any:
    """Ask until the answer is the right one; return its field."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            document = await api.ok("GET", path)
            if found(document):
                return document[field]
            await asyncio.sleep(0.02)


async def test_a_webhook_lives_and_dies(api: Api) -> None:
    created = await api.http.post("/v1.0/webhooks", json=a_webhook(event_types=["aicall_status_*"]))
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    document = created.json()
    secret = document.pop("secret")
    assert secret.startswith("whsec_")
    assert document.keys() == FIELDS
    path = f"/v1.0/webhooks/{document['id']}"
    assert (document["status"], document["event_types"]) == ("active", ["aicall_status_*"])
    assert await api.ok("GET", path) == document
    assert (await api.ok("GET", "/v1.0/webhooks"))["result"] == [document]

    replaced = await api.ok("PUT", path, json={**document, "name": "ERP", "status": "disabled"})
    assert (replaced["name"], replaced["status"], replaced["id"]) == ("ERP", "disabled", document["id"])
    assert replaced["tm_update"] < "9999"
    kept = await api.services.store.get_webhook(UUID(document["id"]), customer_id=None)
    assert kept.secret.get_secret_value() == secret

    deleted = await api.ok("DELETE", path)
    assert deleted["tm_delete"] < "9999"
    for method, suffix in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/dead_letters")):
        request = {"json": a_webhook()} if method == "PUT" else {}
        problem = await api.problem(method, path + suffix, 404, **request)
        assert problem["detail"] == "no such webhook"
    for suffix in ("/dead_letters/replay", "/dead_letters/1/replay"):
        await api.problem("POST", path + suffix, 404)


async def test_a_secret_is_shown_once(api: Api) -> None:
    made = [await api.ok("POST", "/v1.0/webhooks", json=a_webhook()) for _ in range(2)]
    given = await api.ok("POST", "/v1.0/webhooks", json=a_webhook(secret=SECRET))
    assert given["secret"] == SECRET
    secrets = {document["secret"] for document in [*made, given]}
    assert len(secrets) == 3
    path = f"/v1.0/webhooks/{given['id']}"
    answers = [
        (await api.http.get("/v1.0/webhooks")).text,
        (await api.http.get(path)).text,
        (await api.http.put(path, json=a_webhook(secret=SECRET))).text,
        (await api.http.delete(path)).text,
    ]
    assert not [answer for answer in answers if any(secret in answer for secret in secrets) or "whsec" in answer]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://hooks.example.com"}, "url"),
        ({"url": "https://127.0.0.1/x"}, "url"),
        ({"url": "https://localhost/x"}, "url"),
        ({"url": "https://[::1]/x"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://user:pass@example.com"}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"event_types": ["nothing_like_it"]}, "event_types"),
        ({"event_types": []}, "event_types"),
        ({"secret": "hunter2"}, "secret"),
        ({"status": "on"}, "status"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_a_wrong_field_is_named_on_create_and_replace(api: Api, changes: dict[str, Any], field: str) -> None:
    webhook = await api.ok("POST", "/v1.0/webhooks", json=a_webhook())
    for method, path in (("POST", "/v1.0/webhooks"), ("PUT", f"/v1.0/webhooks/{webhook['id']}")):
        assert await api.wrong_field(method, path, json=a_webhook(**changes)) == field
        assert "hunter2" not in (await api.http.request(method, path, json=a_webhook(**changes))).text
    assert len((await api.ok("GET", "/v1.0/webhooks"))["result"]) == 1


async def test_ids_and_pages(api: Api) -> None:
    assert await api.wrong_field("GET", "/v1.0/webhooks/not-a-uuid") == "id"
    assert await api.wrong_field("POST", f"/v1.0/webhooks/{uuid4()}/dead_letters/x/replay") == "event_id"
    assert await api.wrong_field("GET", "/v1.0/webhooks", params={"page_token": "x"}) == "page_token"
    made = [(await api.ok("POST", "/v1.0/webhooks", json=a_webhook()))["id"] for _ in range(3)]
    page = await api.ok("GET", "/v1.0/webhooks", params={"page_size": 2})
    rest = await api.ok("GET", "/v1.0/webhooks", params={"page_size": 2, "page_token": page["next_page_token"]})
    assert [one["id"] for one in page["result"] + rest["result"]] == made[::-1]


async def test_a_change_is_refused_when_another_hand_was_first(api: Api) -> None:
    webhook = await api.ok("POST", "/v1.0/webhooks", json=a_webhook())
    path = f"/v1.0/webhooks/{webhook['id']}"
    tag = (await api.http.get(path)).headers["etag"]
    await api.ok("PUT", path, json=a_webhook(name="first"), headers={"If-Match": tag})
    await api.problem("PUT", path, 412, json=a_webhook(name="second"), headers={"If-Match": tag})
    assert (await api.ok("GET", path))["name"] == "first"


async def test_an_aicalls_life_is_told_from_its_beginning_to_its_end(receiver: WebhookReceiver, tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        before = await api.new_aicall()
        body = a_webhook(url=receiver.url, secret=SECRET)
        await api.ok("POST", "/v1.0/webhooks", json=body)
        statuses = await api.ok("POST", "/v1.0/webhooks", json={**body, "event_types": ["aimessage_*"]})
        aicall = await api.new_aicall()
        await receiver.until(lambda: len(receiver.received) >= 1, PATIENCE_S)
        await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
        await receiver.until(lambda: len(receiver.received) >= 3, PATIENCE_S)
        events = (await api.ok("GET", "/v1.0/events", params={"aicall_id": aicall["id"]}))["result"]
        assert [one.event for one in receiver.received] == events
        assert receiver.sequences(before["id"]) == []
        assert receiver.ids() == [event["id"] for event in events]
        metrics = (await api.http.get("/metrics")).text
        assert 'aicall_event_deliveries_total{outcome="delivered",sink="webhook"} 3.0' in metrics
        assert statuses["event_types"] == ["aimessage_*"]


async def test_dead_letters_are_listed_and_replayed(receiver: WebhookReceiver, tmp_path: Path) -> None:
    async with serving(tmp_path, webhook_max_attempts=1) as api:
        webhook = await api.ok("POST", "/v1.0/webhooks", json=a_webhook(url=receiver.url, secret=SECRET))
        path = f"/v1.0/webhooks/{webhook['id']}/dead_letters"
        receiver.faults = Faults(status=500)
        aicall = await api.new_aicall()
        for number in range(2):
            event = NewEvent(
                type="aicall_variables_set",
                aicall_id=UUID(aicall["id"]),
                tm_create=api.services.clock() + timedelta(seconds=number),
                data={},
            )
            await api.services.store.add_event(event)
        letters = await looked_up(api, path, lambda page: len(page["result"]) == 3, "result")
        assert [letter["event"]["sequence"] for letter in letters] == [3, 2, 1]
        assert {(letter["attempts"], letter["error"]) for letter in letters} == {(1, "http_500")}
        assert all(letter["id"] == letter["event"]["id"] for letter in letters)
        page = await api.ok("GET", path, params={"page_size": 1})
        assert page["result"] == letters[:1]

        receiver.faults = Faults()
        assert await api.ok("POST", f"{path}/{letters[1]['id']}/replay") == {"replayed": 1}
        await receiver.until(lambda: receiver.sequences(aicall["id"]) == [2], PATIENCE_S)
        await api.problem("POST", f"{path}/{letters[1]['id']}/replay", 404)
        assert await api.ok("POST", f"{path}/replay") == {"replayed": 2}
        await receiver.until(lambda: receiver.sequences(aicall["id"]) == [2, 1, 3], PATIENCE_S)
        assert (await api.ok("GET", path))["result"] == []


async def test_a_webhook_that_is_gone_is_shown_as_disabled(receiver: WebhookReceiver, tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        webhook = await api.ok("POST", "/v1.0/webhooks", json=a_webhook(url=receiver.url, secret=SECRET))
        path = f"/v1.0/webhooks/{webhook['id']}"
        receiver.faults = Faults(status=410)
        await api.new_aicall()
        await looked_up(api, path, lambda document: document["status"] == "disabled", "status")
        await api.new_aicall()
        assert len(receiver.requests) == 1
        await api.problem("POST", f"{path}/dead_letters/replay", 409)
        receiver.faults = Faults()
        await api.ok("PUT", path, json=a_webhook(url=receiver.url))
        assert await api.ok("POST", f"{path}/dead_letters/replay") == {"replayed": 1}
        await receiver.until(lambda: len(receiver.received) == 1, PATIENCE_S)
