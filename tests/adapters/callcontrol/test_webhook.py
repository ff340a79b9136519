from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.webhook import WebhookControl
from models.errors import InvalidField, ToolFailed
from tests.adapters.callcontrol.contract import CallControlContract, FarEnd, request
from tests.adapters.tools.clients import local_client
from tests.standins.tools import SECRET, ToolStandIn


class Orchestrator(FarEnd):
    def __init__(self, stand_in: ToolStandIn, secret: str = SECRET) -> None:
        self.stand_in = stand_in
        self.control = WebhookControl(
            f"{stand_in.http_url}/webhook", SecretStr(secret), local_client(), clock=time.time
        )

    def done(self) -> list[tuple[str, dict[str, Any]]]:
        by_key = {it.headers["idempotency-key"]: it.body for it in self.stand_in.requests}
        return [(body["name"], body["arguments"]) for body in by_key.values()]

    def lose_next(self) -> None:
        self.stand_in.lose = 1

    def refuse(self, why: str) -> None:
        self.stand_in.answers["webhook"] = {"result": "failed", "message": why}

    async def vanish(self) -> None:
        await self.stand_in.stop()


@asynccontextmanager
async def orchestrator(secret: str = SECRET) -> AsyncIterator[Orchestrator]:
    async with ToolStandIn() as stand_in:
        end = Orchestrator(stand_in, secret)
        yield end
        await end.control.aclose()


class TestWebhookControl(CallControlContract):
    def far_end(self) -> Any:
        return orchestrator()


async def test_the_document_and_its_headers() -> None:
    async with orchestrator() as end:
        asked = request(ControlCommand.CREATE_CALL)
        assert await end.control.carry_out(asked) == {"message": "accepted"}
        [got] = end.stand_in.requests
        assert got.body == {
            "tool_call_id": "call_1",
            "name": "create_call",
            "arguments": asked.arguments,
            "aicall": asked.aicall,
        }
        assert got.headers["webhook-id"] == got.headers["idempotency-key"] == "key-1"
        assert got.headers["content-type"] == "application/json"


async def test_a_secret_that_is_not_shared() -> None:
    async with orchestrator(secret="another") as end:
        with pytest.raises(ToolFailed, match="401") as caught:
            await end.control.carry_out(request(ControlCommand.STOP_FLOW))
        assert caught.value.detail == "the signature is wrong"


async def test_without_a_secret_nothing_is_signed() -> None:
    async with orchestrator(secret="") as end:
        with pytest.raises(ToolFailed):
            await end.control.carry_out(request(ControlCommand.STOP_FLOW))
        assert "webhook-signature" not in end.stand_in.requests[0].headers


async def test_a_repetition_bears_the_same_key_and_signature() -> None:
    async with orchestrator() as end:
        end.lose_next()
        await end.control.carry_out(request(ControlCommand.STOP_FLOW))
        first, second = end.stand_in.requests
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "idempotency-key"):
            assert first.headers[name] == second.headers[name]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (None, {}),
        ({}, {}),
        ({"result": "success", "message": "m", "call_ids": ["c1"]}, {"message": "m", "call_ids": ["c1"]}),
        ("queued", {"answer": "queued"}),
        ([1], {"answer": [1]}),
    ],
)
async def test_what_is_told_of_it(answer: Any, result: dict[str, Any]) -> None:
    async with orchestrator() as end:
        end.stand_in.answers["webhook"] = answer
        assert await end.control.carry_out(request(ControlCommand.STOP_FLOW)) == result


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ({"message": "busy"}, "busy"),
        ({"title": "Conflict", "detail": "already connected"}, "already connected"),
        ({"other": 1}, '{"other": 1}'),
        ("plain", "plain"),
    ],
)
async def test_a_status_that_is_no_success(answer: Any, detail: str) -> None:
    async with orchestrator() as end:
        end.stand_in.answers["webhook"], end.stand_in.statuses["webhook"] = answer, 409
        with pytest.raises(ToolFailed, match="409") as caught:
            await end.control.carry_out(request(ControlCommand.STOP_FLOW))
        assert caught.value.detail == detail


async def test_a_secret_that_cannot_be_read() -> None:
    client = local_client()
    with pytest.raises(InvalidField) as caught:
        WebhookControl("http://127.0.0.1/", SecretStr("whsec_!"), client, clock=time.time)
    assert caught.value.field == "tool_webhook_secret"
    await client.aclose()
