from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.callcontrol.router import ControlRouter
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import request


class System(CallControl):
    """Controls the calls of one protocol, unless they go to too many."""

    def __init__(self, name: str, protocol: str | None = None, *commands: ControlCommand) -> None:
        self.name = name
        self.protocol = protocol
        self.commands = commands or tuple(ControlCommand)
        self.closed = False

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        mine = self.protocol is None or (leg is not None and leg.protocol == self.protocol)
        return mine and command in self.commands

    def takes(self, request: ControlRequest) -> bool:
        few = self.protocol is None or len(request.arguments.get("destinations", ())) < 2
        return self.can(request.command, request.leg) and few

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        return {"by": self.name}

    async def aclose(self) -> None:
        self.closed = True


CONNECT, HANGUP = ControlCommand.CONNECT_CALL, ControlCommand.HANGUP
MANY = {"destinations": [{"type": "tel", "target": "112"}] * 2}


def router(*, webhook: bool = True) -> ControlRouter:
    systems = [System("twilio", "twilio", CONNECT, HANGUP), System("telnyx", "telnyx")]
    return ControlRouter([*systems, System("webhook", None, CONNECT)] if webhook else systems)


@pytest.mark.parametrize(("protocol", "who"), [("twilio", "twilio"), ("telnyx", "telnyx"), ("exotel", "webhook")])
async def test_who_carries_the_call_is_asked(protocol: str, who: str) -> None:
    assert await router().carry_out(request(CONNECT, leg=Leg(protocol, "1"))) == {"by": who}


async def test_what_the_system_does_not_take_is_the_webhooks() -> None:
    asked = request(CONNECT, leg=Leg("twilio", "1"), arguments=MANY)
    assert router().takes(asked)
    assert await router().carry_out(asked) == {"by": "webhook"}


async def test_nobody_can() -> None:
    for leg in (Leg("exotel", "1"), None):
        assert not router().can(HANGUP, leg)
        with pytest.raises(ToolFailed, match="nobody can do this"):
            await router().carry_out(request(HANGUP, leg=leg))


async def test_nobody_takes_these_destinations() -> None:
    asked = request(CONNECT, leg=Leg("twilio", "1"), arguments=MANY)
    assert router(webhook=False).can(CONNECT, asked.leg)
    assert not router(webhook=False).takes(asked)
    with pytest.raises(ToolFailed, match="destinations"):
        await router(webhook=False).carry_out(asked)


async def test_all_are_closed() -> None:
    systems = [System("a"), System("b")]
    await ControlRouter(systems).aclose()
    assert [it.closed for it in systems] == [True, True]
