from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.aicall import EndReason
from models.status import AicallStatus
from models.timestamps import parse_timestamp
from runtime.tokens import verify_token
from tests.runtime.serving import Api, NotedCall

NIL = "00000000-0000-0000-0000-000000000000"


async def test_creating_answers_with_the_aicall_and_its_media_url(api: Api) -> None:
    ai = await api.new_ai(parameter={"a": 1, "b": 1}, stt_language="en-US", vad_config={"stop_secs": 0})
    response = await api.http.post(
        "/v1.0/aicalls", json={"assistance_id": ai["id"], "parameter": {"b": 2}, "reference_id": None}
    )
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    aicall = response.json()
    base, _, token = aicall.pop("media_url").rpartition("/")
    assert base == api.url.replace("http", "ws") + f"/ws/{aicall['id']}"
    assert aicall["status"] == "initiating"
    assert aicall["parameter"] == {"a": 1, "b": 2}
    assert aicall["stt_language"] == "en-US"
    assert aicall["ai_vad_config"] == {"confidence": 0.7, "start_secs": 0.2, "stop_secs": 0.0, "min_volume": 0.6}
    assert aicall["reference_id"] == NIL
    assert await api.ok("GET", f"/v1.0/aicalls/{aicall['id']}") == aicall

    grant = await api.services.store.get_grant(UUID(aicall["id"]))
    assert grant is not None
    assert verify_token(token, grant.token_sha256)
    lifetime = timedelta(seconds=api.services.settings.media_token_ttl_s)
    assert grant.tm_expire == parse_timestamp(aicall["tm_create"]) + lifetime


async def test_wrong_fields_are_named(api: Api) -> None:
    ai = (await api.new_ai())["id"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "assistance_id"),
        ({"assistance_id": "x"}, "assistance_id"),
        ({"assistance_id": str(uuid4())}, "assistance_id"),
        ({"assistance_id": ai, "assistance_type": "team"}, "assistance_id"),
        ({"assistance_id": ai, "assistance_type": "crowd"}, "assistance_type"),
        ({"assistance_id": ai, "reference_type": "fax"}, "reference_type"),
        ({"assistance_id": ai, "activeflow_id": "x"}, "activeflow_id"),
        ({"assistance_id": ai, "parameter": []}, "parameter"),
        ({"assistance_id": ai, "parameter": {"max_duration_s": 0}}, "parameter.max_duration_s"),
        ({"assistance_id": ai, "parameter": {"stt_key": "x"}}, "parameter.stt_key"),
        ({"assistance_id": ai, "stt_language": "??"}, "stt_language"),
        ({"assistance_id": ai, "status": "progressing"}, "status"),
    ]
    for body, field in wrong:
        assert await api.wrong_field("POST", "/v1.0/aicalls", json=body) == field, body
    assert await api.wrong_field("GET", "/v1.0/aicalls", params={"status": "lost"}) == "status"
    assert (await api.ok("GET", "/v1.0/aicalls"))["result"] == []


async def test_unknown_aicalls(api: Api) -> None:
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/terminate")):
        await api.problem(method, f"/v1.0/aicalls/{uuid4()}{suffix}", 404)
        assert await api.wrong_field(method, f"/v1.0/aicalls/7{suffix}") == "id"


async def test_a_waiting_aicall_is_terminated_once(api: Api) -> None:
    aicall = await api.new_aicall()
    path = f"/v1.0/aicalls/{aicall['id']}"
    ended = await api.ok("POST", f"{path}/terminate")
    assert (ended["status"], ended["end_reason"]) == ("terminated", "terminate")
    assert ended["tm_end"] < "9999"
    assert await api.ok("POST", f"{path}/terminate") == ended
    events = (await api.ok("GET", "/v1.0/events", params={"aicall_id": aicall["id"]}))["result"]
    assert [event["type"].removeprefix("aicall_status_") for event in events] == [
        "initiating",
        "terminating",
        "terminated",
    ]
    assert 'aicall_status_moves_total{status="terminated"} 1.0' in (await api.http.get("/metrics")).text


async def test_an_aicall_of_a_lost_process_is_terminated(api: Api) -> None:
    aicall = await api.new_aicall()
    aicall_id, store, now = UUID(aicall["id"]), api.services.store, api.services.clock
    await store.claim_aicall(aicall_id, owner="a process that is gone")
    await store.move_aicall(aicall_id, AicallStatus.PROGRESSING, now=now())
    await store.move_aicall(aicall_id, AicallStatus.TERMINATING, now=now(), end_reason=EndReason.HANGUP)
    ended = await api.ok("POST", f"/v1.0/aicalls/{aicall_id}/terminate")
    assert (ended["status"], ended["end_reason"]) == ("terminated", "hangup")


async def test_a_live_call_is_ended_by_its_worker(api: Api) -> None:
    for method, suffix in (("POST", "/terminate"), ("DELETE", "")):
        aicall = await api.new_aicall()
        call = NotedCall(api.services, aicall)
        ended = await api.ok(method, f"/v1.0/aicalls/{aicall['id']}{suffix}")
        assert (ended["status"], ended["end_reason"]) == ("terminated", "terminate")
        assert call.reasons == [EndReason.TERMINATE]


async def test_lists_by_status(api: Api) -> None:
    ai = await api.new_ai()
    first, second = [(await api.new_aicall(ai))["id"] for _ in range(2)]
    await api.ok("POST", f"/v1.0/aicalls/{first}/terminate")

    async def ids(**params: Any) -> list[str]:
        return [aicall["id"] for aicall in (await api.ok("GET", "/v1.0/aicalls", params=params))["result"]]

    assert await ids() == [second, first]
    assert await ids(status="terminated") == [first]
    assert await ids(status="progressing") == []


async def test_deleting_ends_first(api: Api) -> None:
    aicall = await api.new_aicall()
    deleted = await api.ok("DELETE", f"/v1.0/aicalls/{aicall['id']}")
    assert deleted["status"] == "terminated"
    assert deleted["tm_delete"] < "9999"
    await api.problem("GET", f"/v1.0/aicalls/{aicall['id']}", 404)
    await api.problem("DELETE", f"/v1.0/aicalls/{aicall['id']}", 404)


async def test_a_draining_server_takes_no_aicalls(api: Api) -> None:
    ai = await api.new_ai()
    await api.services.live_calls.drain(0)
    response = await api.http.post("/v1.0/aicalls", json={"assistance_id": ai["id"]})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert (await api.ok("GET", "/v1.0/aicalls"))["result"] == []


@pytest.mark.parametrize("kind", ["conversation", "task"])
async def test_what_is_no_phone_call_has_no_media_url(api: Api, kind: str) -> None:
    aicall = await api.new_aicall(reference_type=kind)
    assert (aicall["reference_type"], aicall["media_url"]) == (kind, None)
    ended = await api.ok("POST", f"/v1.0/aicalls/{aicall['id']}/terminate")
    assert (ended["status"], ended["reference_type"]) == ("terminated", kind)


@pytest.mark.parametrize("request_", ["pause", "resume"])
async def test_only_a_call_that_is_conducted_is_paused_and_resumed(api: Api, request_: str) -> None:
    aicall = await api.new_aicall()
    path = f"/v1.0/aicalls/{aicall['id']}"
    assert "initiating" in (await api.problem("POST", f"{path}/{request_}", 409))["detail"]
    await api.ok("POST", f"{path}/terminate")
    assert "terminated" in (await api.problem("POST", f"{path}/{request_}", 409))["detail"]
    await api.problem("POST", f"/v1.0/aicalls/{uuid4()}/{request_}", 404)
