from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.telnyx import TelnyxControl
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, RestEnd, leg, rest_end
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import CALLER, OWN_NUMBER, Deed
from tests.standins.telnyx_rest import CONNECTION, TelnyxRestStandIn


def telnyx(connection_id: str = CONNECTION) -> Any:
    return rest_end(
        TelnyxRestStandIn(),
        lambda it, client, _: TelnyxControl(
            SecretStr(DEFAULT_KEY), client, connection_id=connection_id, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        leg("telnyx"),
    )


@asynccontextmanager
async def repeating() -> AsyncIterator[RestEnd]:
    """Telnyx knows a command by its id, so that one whose answer was lost is asked for again."""
    async with telnyx() as end:
        end.repeats = True
        yield end


class TestTelnyx(RestControlContract):
    def far_end(self) -> Any:
        return repeating()


async def warm(end: RestEnd, **more: Any) -> dict[str, Any]:
    return await end.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [TEL], "mode": "warm", **more})


@pytest.mark.parametrize("summary", ["", "Ann."])
async def test_a_consultant_is_bridged_with_the_caller(summary: str) -> None:
    async with telnyx() as end:
        assert await warm(end, summary=summary) == {"message": "+15551230001 has the caller"}
        said = [Deed("say", "CA-1", summary)] if summary else []
        assert end.stand_in.done == [
            Deed("dial", "CA-1", "+15551230001", OWN_NUMBER),
            *said,
            Deed("bridge", "CA-1", CALLER),
        ]


async def test_the_caller_stays_when_nobody_answers() -> None:
    async with telnyx() as end:
        end.stand_in.unanswered = {"+15551230001"}
        asking = asyncio.ensure_future(warm(end))
        await end.stand_in.until(lambda: any(it.looked for it in end.stand_in.placed.values()))
        end.stand_in.end("CA-1")
        with pytest.raises(ToolFailed, match="nobody answered"):
            await asking
        assert end.stand_in.deeds("bridge") == []
        assert end.stand_in.live(CALLER)


async def test_a_consultant_is_not_left_alone_when_the_caller_has_gone() -> None:
    async with telnyx() as end:
        end.stand_in.rings = 0
        end.stand_in.unanswered = {"+15551230001"}
        asking = asyncio.ensure_future(warm(end))
        await end.stand_in.until(lambda: any(it.looked for it in end.stand_in.placed.values()))
        end.stand_in.end()
        end.stand_in.unanswered = set()
        with pytest.raises(ToolFailed):
            await asking
        assert end.stand_in.deeds("hangup") == [Deed("hangup", "CA-1")]


async def test_without_an_application_only_cold_ones() -> None:
    async with telnyx("") as end:
        with pytest.raises(ToolFailed, match="only a cold transfer"):
            await warm(end)
        assert end.stand_in.done == []
