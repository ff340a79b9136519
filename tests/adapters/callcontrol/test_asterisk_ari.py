from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from adapters.audiosocket_id import audiosocket_call_id
from adapters.callcontrol.asterisk_ari import AsteriskAri
from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.rest import CallEnded
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, RestEnd, rest_end
from tests.standins.ari import MEDIA, NOWHERE, USER, AriStandIn
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import CALLER, Deed

SECRET = "6c3d2c1e-8f4b-4a51-9d0e-2b7a90c1f3aa"
NAMED = Leg("asterisk", MEDIA, stream_id="m1", session=CALLER)
"""A leg whose dial string named the caller's channel."""


def asterisk(leg: Leg = NAMED, ring_s: float = 5.0) -> Any:
    credentials = SecretStr(f"{USER}:{DEFAULT_KEY}")
    return rest_end(
        AriStandIn(),
        lambda it, client, _: AsteriskAri(
            it.base_url, credentials, client, ring_s=ring_s, settle_s=0.5, timeout_s=TIMEOUT_S
        ),
        leg,
    )


class AsteriskContract(RestControlContract):
    leg = NAMED

    def far_end(self) -> Any:
        return asterisk(self.leg)

    @pytest.fixture(autouse=True)
    def _repeats(self, end: RestEnd) -> None:
        # A helper channel has the request's own name, so that Asterisk makes no second one.
        end.repeats = True

    @pytest.mark.parametrize(("target", "shown"), [("+44 20 7946-0000", "+442079460000"), ("15551230001", None)])
    async def test_destinations(self, rest: RestEnd, target: str, shown: str | None) -> None:  # type: ignore[override]
        await rest.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [{"type": "tel", "target": target}]})
        assert [deed.detail for deed in rest.stand_in.deeds("transfer")] == [[("tel", shown or target)]]


class TestNamedCaller(AsteriskContract):
    """The caller's channel stands in the stream's URL."""


class TestFoundCaller(AsteriskContract):
    """The caller's channel is the other one in the bridge of the media channel."""

    leg = Leg("asterisk", MEDIA, session=MEDIA)

    async def test_another_key_is_another_request(self, end: RestEnd) -> None:  # type: ignore[override]
        await end.ask(ControlCommand.CONNECT_CALL, "key-1")
        # Not that of the same caller: nothing tells any more who they were.
        with pytest.raises(CallEnded):
            await end.ask(ControlCommand.CONNECT_CALL, "key-2")
        assert len(end.done()) == 1


async def connect(end: RestEnd, key: str = "key-1", **arguments: Any) -> dict[str, Any]:
    return await end.ask(ControlCommand.CONNECT_CALL, key, {"destinations": [TEL], **arguments})


@pytest.mark.parametrize("kind", ["extension", "agent", "Extension"])
async def test_a_cold_transfer_to_an_extension(kind: str) -> None:
    async with asterisk() as end:
        assert await connect(end, destinations=[{"type": kind, "target": "front_desk-1"}]) == {}
        [deed] = end.stand_in.deeds("transfer")
        assert (deed.call, deed.detail) == (CALLER, [("extension", "front_desk-1")])


@pytest.mark.parametrize(
    "target", ["500@internal", "500&501", "500/n", "${SHELL(id)}", "500,1", "5 00", "x" * 81, "500|1", "é"]
)
async def test_a_target_that_would_mean_more_than_an_extension(target: str) -> None:
    async with asterisk() as end:
        with pytest.raises(ToolFailed):
            await connect(end, destinations=[{"type": "extension", "target": target}])
        assert end.stand_in.requests == []


async def test_an_extension_that_there_is_not() -> None:
    async with asterisk() as end:
        with pytest.raises(ToolFailed, match="knows no such destination"):
            await connect(end, destinations=[{"type": "extension", "target": NOWHERE}])
        assert end.stand_in.deeds("transfer") == []


@pytest.mark.parametrize("summary", ["", "Ann wants a table."])
async def test_a_consultant_is_bridged_with_the_caller(summary: str) -> None:
    async with asterisk() as end:
        source = {"type": "tel", "target": "+15557770000"}
        answer = await connect(end, mode="warm", summary=summary, source=source)
        assert answer == {"message": "+15551230001 has the caller"}
        [dial, *said, bridge] = end.stand_in.done
        assert (dial.what, dial.detail, dial.caller_id) == ("dial", "+15551230001", "+15557770000")
        assert said == ([Deed("say", dial.call, summary)] if summary else [])
        assert bridge == Deed("bridge", dial.call, "PJSIP/trunk-00000001")


async def test_the_caller_stays_when_nobody_answers() -> None:
    async with asterisk(ring_s=0.3) as end:
        end.stand_in.unanswered.add("+15551230001")
        with pytest.raises(ToolFailed, match="still with you"):
            await connect(end, mode="warm")
        [dial, hangup] = end.stand_in.done
        assert hangup == Deed("hangup", dial.call)


async def test_the_caller_stays_when_the_consultant_is_busy() -> None:
    async with asterisk() as end:
        with pytest.raises(ToolFailed, match="still with you"):
            await connect(end, mode="warm", destinations=[{"type": "extension", "target": NOWHERE}])
        assert [it.what for it in end.stand_in.done] == ["dial"]


async def test_a_phone_that_rings_for_nobody_falls_silent() -> None:
    async with asterisk() as end:
        end.stand_in.unanswered.add("+15551230001")
        asking = asyncio.create_task(connect(end, mode="warm"))
        await end.stand_in.until(lambda: bool(end.stand_in.deeds("dial")))
        end.stand_in.end()
        with pytest.raises(CallEnded):
            await asking
        assert [it.what for it in end.stand_in.done] == ["dial", "hangup"]


async def test_a_transfer_that_is_given_up_rings_nobody() -> None:
    async with asterisk() as end:
        end.stand_in.unanswered.add("+15551230001")
        asking = asyncio.create_task(connect(end, mode="warm"))
        await end.stand_in.until(lambda: bool(end.stand_in.deeds("dial")))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert [it.what for it in end.stand_in.done] == ["dial", "hangup"]


async def test_the_answer_of_a_transfer_is_lost() -> None:
    async with asterisk() as end:
        act = end.stand_in.act

        async def lose(request: Any, body: Any, *path: str) -> Any:
            if request.method == "POST" and not end.stand_in.done:
                end.stand_in.lose = 1
            return await act(request, body, *path)

        end.stand_in.act = lose
        assert await connect(end) == {}
        assert len(end.stand_in.deeds("transfer")) == 1


@pytest.mark.parametrize("session", ["../bridges", "order-4711", ""])
async def test_a_session_that_is_no_channel(session: str) -> None:
    async with asterisk(Leg("asterisk", MEDIA, session=session)) as end:
        await end.ask(ControlCommand.HANGUP)
        assert end.stand_in.done == [Deed("hangup", CALLER)]
        assert {it.path for it in end.stand_in.requests} <= {
            "/ari/channels",
            "/ari/bridges",
            f"/ari/channels/{session}",
            f"/ari/channels/{CALLER}",
        }


async def test_a_media_channel_by_its_name() -> None:
    # Releases before 22.7 do not tell the channel's id.
    async with asterisk(Leg("asterisk", "WebSocket/bot/0x7f5ebc004aa0")) as end:
        await end.ask(ControlCommand.HANGUP)
        assert end.stand_in.done == [Deed("hangup", CALLER)]


async def test_the_application_audiosocket() -> None:
    async with asterisk(Leg("audiosocket", audiosocket_call_id(UUID(SECRET)))) as end:
        stand_in = end.stand_in
        stand_in.bridges.clear()
        stand_in.places[CALLER] = ("from-sip", "100", "AudioSocket", f"{SECRET.upper()},127.0.0.1:9092")
        await end.ask(ControlCommand.SEND_DTMF)
        assert stand_in.done == [Deed("dtmf", CALLER, ARGUMENTS[ControlCommand.SEND_DTMF]["digits"])]


async def test_two_callers_of_one_bot_are_not_taken_for_each_other() -> None:
    async with asterisk(Leg("audiosocket", audiosocket_call_id(UUID(SECRET)))) as end:
        stand_in = end.stand_in
        stand_in.bridges.clear()
        for channel in (CALLER, MEDIA):
            stand_in.places[channel] = ("from-sip", "100", "AudioSocket", f"{SECRET},127.0.0.1:9092")
        with pytest.raises(ToolFailed, match="several calls"):
            await end.ask(ControlCommand.HANGUP)
        assert stand_in.done == []


async def test_a_dialled_audiosocket() -> None:
    async with asterisk(Leg("audiosocket", audiosocket_call_id(UUID(SECRET)))) as end:
        end.stand_in.names[MEDIA] = f"AudioSocket/127.0.0.1:9092-{SECRET}"
        await end.ask(ControlCommand.HANGUP)
        assert end.stand_in.done == [Deed("hangup", CALLER)]
