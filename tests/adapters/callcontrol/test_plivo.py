from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.plivo import PlivoControl, VobizControl
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, leg, rest_end
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import ACCOUNT
from tests.standins.plivo_rest import PlivoRestStandIn, VobizRestStandIn


def plivo() -> Any:
    return rest_end(
        PlivoRestStandIn(),
        lambda it, client, links: PlivoControl(
            ACCOUNT, SecretStr(DEFAULT_KEY), client, links, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        leg("plivo"),
    )


def vobiz() -> Any:
    return rest_end(
        VobizRestStandIn(),
        lambda it, client, links: VobizControl(
            ACCOUNT, SecretStr(DEFAULT_KEY), client, links, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        leg("vobiz"),
    )


class TestPlivo(RestControlContract):
    def far_end(self) -> Any:
        return plivo()


class TestVobiz(RestControlContract):
    def far_end(self) -> Any:
        return vobiz()


@pytest.mark.parametrize("far_end", [plivo, vobiz])
async def test_several_at_once_and_a_warm_one(far_end: Any) -> None:
    async with far_end() as end:
        with pytest.raises(ToolFailed, match="only a cold transfer"):
            await end.ask(
                ControlCommand.CONNECT_CALL, arguments={**ARGUMENTS[ControlCommand.CONNECT_CALL], "mode": "warm"}
            )
        assert end.stand_in.requests == []
        sip = {"type": "sip", "target": "sip:bob@example.com"}
        await end.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [TEL, sip]})
        [deed] = end.stand_in.deeds("transfer")
        assert deed.detail == [("tel", "+15551230001"), ("sip", "sip:bob@example.com")]
