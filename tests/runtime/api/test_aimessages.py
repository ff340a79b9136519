from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from models.ids import DEFAULT_CUSTOMER_ID
from models.message import Direction, Message, Role
from tests.runtime.serving import Api


async def test_messages_are_listed_in_pages_newest_first(api: Api) -> None:
    aicall_id = UUID((await api.new_aicall())["id"])
    for number in range(3):
        await api.services.store.add_message(
            Message(
                id=uuid4(),
                customer_id=DEFAULT_CUSTOMER_ID,
                aicall_id=aicall_id,
                role=Role.USER,
                content=f"line {number}",
                direction=Direction.INCOMING,
                tm_create=api.services.clock(),
            )
        )
    params = {"aicall_id": str(aicall_id), "page_size": 2}
    first = await api.ok("GET", "/v1.0/aimessages", params=params)
    assert [message["content"] for message in first["result"]] == ["line 2", "line 1"]
    rest = await api.ok("GET", "/v1.0/aimessages", params={**params, "page_token": first["next_page_token"]})
    assert [message["content"] for message in rest["result"]] == ["line 0"]
    assert rest["next_page_token"] == ""


async def test_which_aicall_must_be_said(api: Api) -> None:
    assert await api.wrong_field("GET", "/v1.0/aimessages") == "aicall_id"
    assert await api.wrong_field("GET", "/v1.0/aimessages", params={"aicall_id": "x"}) == "aicall_id"
    await api.problem("GET", "/v1.0/aimessages", 404, params={"aicall_id": str(uuid4())})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"aicall_id": "x"}, "aicall_id"),
        ({"content": ""}, "content"),
        ({"content": "x" * 32_769}, "content"),
        ({"content": None}, "content"),
        ({"role": "tool"}, "role"),
        ({"run_llm": "yes"}, "run_llm"),
        ({"when": "later"}, "when"),
        ({"audio": True}, "audio"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"aicall_id": str(uuid4()), "content": "hello", **change}
    assert await api.wrong_field("POST", "/v1.0/aimessages", json=body) == field


async def test_a_message_is_sent(api: Api) -> None:
    aicall = await api.new_aicall(reference_type="conversation")
    body = {"aicall_id": aicall["id"], "content": "hello"}
    response = await api.http.post("/v1.0/aimessages", json=body)
    assert response.status_code == 201
    sent = response.json()
    assert (sent["role"], sent["content"], sent["direction"]) == ("user", "hello", "incoming")
    assert (sent["delivery_status"], sent["replies"]) == ("pending", [])
    waited = await api.ok("POST", "/v1.0/aimessages", params={"wait": "true"}, json=body)
    assert waited["delivery_status"] == "delivered"
    assert [reply["in_reply_to_message_id"] for reply in waited["replies"]] == [waited["id"]]


async def test_there_is_no_such_aicall(api: Api) -> None:
    body = {"aicall_id": str(uuid4()), "content": "hello"}
    await api.problem("POST", "/v1.0/aimessages", 404, json=body)
