from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from adapters.media.asterisk import AsteriskProtocol
from adapters.media.base import FlowControl, Message, Started
from adapters.media.base import Reply as ProtocolReply
from adapters.media.codecs import pcm_to_ulaw
from tests.e2e.asterisk.caller import NUMBER, WAIT_S, calling
from tests.e2e.asterisk.ears import ECHO, GOODBYE, LONG, hear, last_heard, speak, told, until_heard
from tests.e2e.asterisk.office import WEBSOCKET, Office, office
from tests.e2e.asterisk.pbx import Asterisk
from tests.e2e.asterisk.server import SAID, Server
from tests.runtime.calls.offices import GREETING
from tests.standins.audio import signature
from tests.standins.replies import ChatRequest, Reply

ULAW = WEBSOCKET["json-ulaw"]
QUEUED_S = 19
"""More than Asterisk queues before it says stop: 900 frames of 20 ms (pbx facts, B8)."""
SOON_S = 3.0
"""An interruption takes 0.3 s to be sure of; the rest is for a machine that is busy."""


def says_goodbye(request: ChatRequest) -> Reply:
    return Reply(GOODBYE, [("stop_service", {})])


@pytest.mark.parametrize("dials", WEBSOCKET)
async def test_the_caller_hears_what_was_said_and_is_heard(server: Server, dials: str) -> None:
    async with office(server, WEBSOCKET[dials]) as it, calling(it.asterisk, "100") as caller:
        heard = await hear(caller, GREETING)
        assert told(heard) == GREETING
        if "ulaw" in dials:
            # Nothing recodes it on its way: to the bit.
            assert pcm_to_ulaw(signature(GREETING, 8000)) in heard
        speak(caller)
        await until_heard(caller, ECHO)
        assert SAID in (await it.messages("user"))[0]


async def test_who_calls_whom_is_known(server: Server) -> None:
    prompt = "From ${call.from} to ${call.to}, session ${call.session}."
    async with office(server, ULAW, init_prompt=prompt) as it, calling(it.asterisk, "100") as caller:
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, ECHO)
        async with it.asterisk.ari() as ari:
            channels = (await ari.get("channels")).json()
        [own] = [it["id"] for it in channels if it["name"].startswith("PJSIP/")]
        bodies = [it.body for it in server.openai.requests_to("chat")]
        # A request that was given up early has none.
        prompts = [body["messages"][0]["content"] for body in bodies if body]
        assert any(f"From {NUMBER} to 100, session {own}." in it for it in prompts)


async def test_a_caller_who_interrupts_hears_silence_soon(server: Server) -> None:
    async with (
        office(server, ULAW, parameter={"greeting": LONG}) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await until_heard(caller, LONG)
        began = asyncio.get_running_loop().time()
        speak(caller)
        await until_heard(caller, ECHO)
        assert last_heard(caller, LONG) - began < SOON_S


async def test_keys_arrive(server: Server) -> None:
    async with office(server, ULAW) as it, calling(it.asterisk, "100") as caller:
        await hear(caller, GREETING)
        caller.handset.press("19*0#")
        await it.until(lambda: it.messages("user"))
        assert "19*0" in (await it.messages("user"))[0]


async def test_the_caller_hangs_up(server: Server) -> None:
    async with office(server, ULAW) as it, calling(it.asterisk, "100", hang_up_s=6) as caller:
        await hear(caller, GREETING)
        assert await caller.over() == "caller"
        assert (await it.ended())["end_reason"] == "hangup"


async def test_the_bot_hangs_up(server: Server) -> None:
    async with (
        office(server, ULAW, reply=says_goodbye, tool_names=["all"]) as it,
        calling(it.asterisk, "100") as caller,
    ):
        await hear(caller, GREETING)
        speak(caller)
        await until_heard(caller, GOODBYE)
        assert await caller.over() == "pbx"
        assert (await it.ended())["end_reason"] == "stop_service"


async def test_asterisk_waits_and_the_server_dials(server: Server) -> None:
    async with office(server, "Dial(WebSocket/INCOMING/c(ulaw)f(json),30)") as it:
        created = await it.http.post("/v1.0/aicalls", json={"assistance_id": it.ai["id"]})
        assert created.is_success, created.text

        async def connected() -> bool:
            waiting = await incoming(it.asterisk)
            if not waiting:
                return False
            url = f"ws://127.0.0.1:{it.asterisk.http_port}/media/{waiting}"
            document = {"url": url, "from": NUMBER, "to": "100"}
            response = await it.http.post(f"/v1.0/aicalls/{created.json()['id']}/connect", json=document)
            assert response.status_code == 202, response.text
            return True

        connecting = asyncio.create_task(it.until(connected))
        async with calling(it.asterisk, "100") as caller:
            await hear(caller, GREETING)
            await connecting
            assert pcm_to_ulaw(signature(GREETING, 8000)) in caller.handset.heard
            speak(caller)
            await until_heard(caller, ECHO)


async def test_a_full_queue_says_so_and_a_flush_makes_room(server: Server) -> None:
    # The runtime never sends so far ahead, so that its protocol does it here by itself.
    async with office(server, "Dial(WebSocket/INCOMING/c(ulaw)f(json),30)") as it:
        flooding = asyncio.create_task(flood(it))
        async with calling(it.asterisk, "100") as caller:
            await until_heard(caller, GREETING)
        async with asyncio.timeout(WAIT_S):
            assert await flooding == [True, False]


async def flood(it: Office) -> list[bool]:
    """Connect to the channel that waits, fill its queue, flush it once it is full, and say the greeting then.

    Returns:
        What Asterisk said of its queue: whether it was full.
    """
    await it.until(lambda: incoming(it.asterisk))
    url = f"ws://127.0.0.1:{it.asterisk.http_port}/media/{await incoming(it.asterisk)}"
    protocol, said = AsteriskProtocol(), list[bool]()
    async with connect(url, subprotocols=[Subprotocol("media")], proxy=None) as socket:
        async for message in socket:
            answers: list[Message] = []
            for event in protocol.receive(message):
                match event:
                    case ProtocolReply(messages):
                        answers += messages
                    case Started():
                        answers += protocol.send_audio(bytes(2 * 8000 * QUEUED_S))
                    case FlowControl(paused):
                        said.append(paused)
                        answers += protocol.send_clear() if paused else protocol.send_audio(signature(GREETING, 8000))
                    case _:
                        pass
            for answer in answers:
                await socket.send(answer)
    return said


async def incoming(asterisk: Asterisk) -> str:
    """The id under which a channel waits to be connected to; '' while there is none."""
    async with asterisk.ari() as ari:
        for channel in (await ari.get("channels")).json():
            if channel["name"].startswith("WebSocket/"):
                variable = {"variable": "MEDIA_WEBSOCKET_CONNECTION_ID"}
                return str((await ari.get(f"channels/{channel['id']}/variable", params=variable)).json()["value"])
    return ""
