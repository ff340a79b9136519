from __future__ import annotations

from uuid import UUID, uuid4

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
