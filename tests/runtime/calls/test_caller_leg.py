from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.media.base import Handshake, MediaCapabilities, MediaProtocol, Started
from adapters.media.twilio import TwilioProtocol
from models.aicall import EndReason
from models.errors import ToolFailed
from runtime.calls.call_socket import CallSocket
from runtime.calls.caller_leg import CallerLeg
from tests.adapters.store.samples import make_aicall

URL = "wss://ai.example.com/voice/ws/1/token?session=s1&from=%2B1"
STARTED = Started("MZ1", "CA1", "AC1", 8000, {"to": "+2", "x": "y"}, from_="+3", to="+4")


class System(CallControl):
    """Hangs up and sends digits; nothing else."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.requests: list[ControlRequest] = []

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        return leg is not None and command in {ControlCommand.HANGUP, ControlCommand.SEND_DTMF}

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        self.requests.append(request)
        if self.fails is not None:
            raise self.fails
        return {}

    async def aclose(self) -> None:
        """Nothing is open."""


class Hanging(TwilioProtocol):
    """Hangs up in its own way."""

    capabilities = MediaCapabilities(marks=TwilioProtocol.capabilities.marks, flush=True, hangup_in_band=True)


def caller(
    control: CallControl | None = None, protocol: type[MediaProtocol] = TwilioProtocol, **query: str
) -> CallerLeg:
    leg = CallerLeg(make_aicall(), control)
    socket = CallSocket(cast("Any", None), lambda: None)
    socket.speak(protocol())
    leg.began(socket, Handshake(URL, "/voice/ws/1/token", {"session": "s1", "from": "+1", **query}), STARTED)
    return leg


def test_the_leg_as_the_phone_system_names_it() -> None:
    assert CallerLeg(make_aicall(), None).leg is None
    assert caller().leg == Leg(
        "twilio",
        "CA1",
        account_id="AC1",
        stream_id="MZ1",
        session="s1",
        from_="+1",
        to="+2",
        parameters={"to": "+2", "x": "y"},
        server_url="https://ai.example.com/voice",
    )


@pytest.mark.parametrize("reason", EndReason)
def test_only_what_ends_on_purpose_is_hung_up(reason: EndReason) -> None:
    deliberate = {"terminate", "stop_service", "max_duration", "idle", "max_spend", "no_progress"}
    assert caller(System()).is_to_be_hung_up(reason) is (reason in deliberate)


def test_who_is_not_hung_up() -> None:
    reason = EndReason.STOP_SERVICE
    assert not CallerLeg(make_aicall(), System()).is_to_be_hung_up(reason)
    assert not caller(None).is_to_be_hung_up(reason)
    assert not caller(System(), Hanging).is_to_be_hung_up(reason)
    assert not caller(System(), after="continue").is_to_be_hung_up(reason)
    connected = caller(System())
    connected.parting(EndReason.CONNECT_CALL)
    connected.parted(done=True)
    assert not connected.is_to_be_hung_up(reason)


async def test_hanging_up_and_digits() -> None:
    system = System()
    leg = caller(system)
    assert leg.can_send_dtmf()
    await leg.hang_up()
    await leg.send_dtmf("1#", "key")
    first, second = system.requests
    assert (first.command, first.arguments, first.leg) == (ControlCommand.HANGUP, {}, leg.leg)
    assert first.idempotency_key == f"{first.aicall['id']}-hangup"
    assert (second.command, second.arguments) == (ControlCommand.SEND_DTMF, {"digits": "1#"})


async def test_a_hang_up_that_fails_is_not_the_calls_failure() -> None:
    system = System(ToolFailed("it was refused"))
    await caller(system).hang_up()
    assert len(system.requests) == 1
    await caller(None).hang_up()
    assert not caller(None).can_send_dtmf()


@pytest.mark.virtual_time
async def test_why_the_stream_has_ended() -> None:
    leg = caller(System())
    assert await leg.why() is None
    leg.parting(EndReason.CONNECT_CALL)
    asyncio.get_running_loop().call_later(1.0, lambda: leg.parted(done=True))
    # The stream's end came before the answer.
    assert await leg.why() is EndReason.CONNECT_CALL


@pytest.mark.virtual_time
async def test_a_caller_who_hangs_up_meanwhile() -> None:
    leg = caller(System())
    leg.parting(EndReason.CONNECT_CALL)
    began_s = asyncio.get_running_loop().time()
    assert await leg.why() is None
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(2.0)
    leg.parted(done=False)
    assert await leg.why() is None
    assert leg.is_to_be_hung_up(EndReason.STOP_SERVICE)
