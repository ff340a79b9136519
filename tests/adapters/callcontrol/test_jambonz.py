from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.jambonz import JambonzControl
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, leg, rest_end
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import ACCOUNT
from tests.standins.jambonz_rest import JambonzRestStandIn


def jambonz() -> Any:
    return rest_end(
        JambonzRestStandIn(),
        lambda it, client, links: JambonzControl(
            it.base_url, ACCOUNT, SecretStr(DEFAULT_KEY), client, links, timeout_s=TIMEOUT_S
        ),
        leg("jambonz", account_id="another"),
    )


class TestJambonz(RestControlContract):
    def far_end(self) -> Any:
        return jambonz()


async def test_users_several_at_once_and_a_warm_one() -> None:
    async with jambonz() as end:
        user = {"type": "extension", "target": "ann@clinic.sip.jambonz.cloud"}
        await end.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [user, TEL]})
        [deed] = end.stand_in.deeds("transfer")
        assert deed.detail == [("extension", user["target"]), ("tel", "+15551230001")]
        arguments = {**ARGUMENTS[ControlCommand.CONNECT_CALL], "mode": "warm"}
        with pytest.raises(ToolFailed, match="only a cold transfer"):
            await end.ask(ControlCommand.CONNECT_CALL, key="2", arguments=arguments)


async def test_one_request_for_each_key_and_none_for_a_pause() -> None:
    async with jambonz() as end:
        await end.ask(ControlCommand.SEND_DTMF, arguments={"digits": "1w2"})
        assert [deed.detail for deed in end.stand_in.deeds("dtmf")] == ["1", "2"]
