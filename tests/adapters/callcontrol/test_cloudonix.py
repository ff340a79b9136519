from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.cloudonix import CloudonixControl
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, leg, rest_end
from tests.standins.base import DEFAULT_KEY
from tests.standins.cloudonix_rest import DOMAIN, CloudonixRestStandIn

LEG = leg("cloudonix", account_id=DOMAIN)


def cloudonix() -> Any:
    return rest_end(
        CloudonixRestStandIn(),
        lambda it, client, _: CloudonixControl(
            SecretStr(DEFAULT_KEY), client, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        LEG,
    )


class TestCloudonix(RestControlContract):
    def far_end(self) -> Any:
        return cloudonix()


async def test_without_a_domain_there_is_nobody_to_ask() -> None:
    async with cloudonix() as end:
        assert not end.control.can(ControlCommand.HANGUP, replace(LEG, account_id=""))


async def test_subscribers_and_several_at_once() -> None:
    async with cloudonix() as end:
        extension = {"type": "extension", "target": "201"}
        await end.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [extension, TEL]})
        [deed] = end.stand_in.deeds("transfer")
        # Both are dialled by number; Cloudonix finds out which is which.
        assert deed.detail == [("tel", "201"), ("tel", "+15551230001")]


async def test_a_warm_transfer_is_refused() -> None:
    async with cloudonix() as end:
        with pytest.raises(ToolFailed, match="only a cold transfer"):
            await end.ask(
                ControlCommand.CONNECT_CALL, arguments={**ARGUMENTS[ControlCommand.CONNECT_CALL], "mode": "warm"}
            )
        assert end.stand_in.done == []
