"""A real ``aicall serve`` on loopback, with vendors whose speech is known to the sample, beside a real Asterisk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.asterisk.caller import WAIT_S
from tests.e2e.asterisk.pbx import ROOT_VARIABLE, Asterisk
from tests.e2e.asterisk.server import KEY, MEDIA_PASSWORD, MEDIA_USER, Server
from tests.runtime.calls.offices import office_ai
from tests.standins.replies import ReplyScript, Script

DIALPLAN = """
[from-sip]
{lines}

[aicall]
exten => wait,1,Answer()
 same => n,Wait(30)
exten => redirect,1,GotoIf($[${{DIALPLAN_EXISTS(aicall-transfer,${{AICALL_TARGET}},1)}}]?go)
 same => n,Hangup()
 same => n(go),Set(SHARED(AICALL_CALLERID,${{AICALL_CHANNEL}})=${{AICALL_CALLERID}})
 same => n,ChannelRedirect(${{AICALL_CHANNEL}},aicall-transfer,${{AICALL_TARGET}},1)
exten => join,1,Bridge(${{AICALL_CHANNEL}})
exten => dtmf,1,SendDTMF(${{AICALL_DIGITS}},,,${{AICALL_CHANNEL}})

[aicall-transfer]
; A person who answers at once, one who takes a second, and one who is busy: they are known by their tones.
exten => 500,1,Answer()
 same => n,Playtones(440)
 same => n,Wait(60)
exten => 501,1,Wait(1)
 same => n,Answer()
 same => n,Playtones(880)
 same => n,Wait(60)
exten => 502,1,Wait(1)
 same => n,Hangup(17)
; One who is shown the number that was asked for.
exten => 503,1,Answer()
 same => n,Set(CALLERID(num)=${{SHARED(AICALL_CALLERID)}})
 same => n,GotoIf($["${{CALLERID(num)}}" = "+15557770000"]?503,100:504,1)
 same => 100,Playtones(660)
 same => n,Wait(60)
"""
_V = "v(session=${UNIQUEID},from=${URIENCODE(${CALLERID(num)})},to=${EXTEN})"
WEBSOCKET = {
    "json-ulaw": f"Dial(WebSocket/bot/c(ulaw)f(json){_V},30)",
    "json-slin16": f"Dial(WebSocket/bot/c(slin16)f(json){_V},30)",
    "plain-ulaw": f"Dial(WebSocket/bot/c(ulaw)f(plain-text){_V},30)",
    "plain-slin16": f"Dial(WebSocket/bot/c(slin16)f(plain-text){_V},30)",
}
"""What to dial for chan_websocket, by its settings."""
AUDIOSOCKET = {
    "application": "AudioSocket({uuid},{address})",
    "dial-slin": "Dial(AudioSocket/{address}/{uuid}/c(slin),30)",
    "dial-slin16": "Dial(AudioSocket/{address}/{uuid}/c(slin16),30)",
}
"""What to dial for AudioSocket, by its settings."""


@dataclass
class Office:
    """What a test drives.

    Attributes:
        asterisk: The phone system. Extension 100 is the bot.
        http: A client of the server's API.
        server: The server and its vendors.
        ai: The bot.
    """

    asterisk: Asterisk
    http: httpx.AsyncClient
    server: Server
    ai: dict[str, Any]

    async def get(self, path: str, **params: Any) -> Any:
        """Ask the API."""
        response = await self.http.get(path, params=params)
        assert response.is_success, response.text
        return response.json()

    async def aicall(self) -> dict[str, Any]:
        """The one AIcall of the bot."""
        [found] = [it for it in (await self.get("/v1.0/aicalls"))["result"] if it["assistance_id"] == self.ai["id"]]
        return dict(found)

    async def ended(self) -> dict[str, Any]:
        """Wait until the one AIcall is terminated; returns it."""

        async def terminated() -> bool:
            return bool((await self.aicall())["status"] == "terminated")

        await self.until(terminated)
        return await self.aicall()

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait until a condition on what the API says holds.

        Raises:
            TimeoutError: It did not in time.
        """
        async with asyncio.timeout(WAIT_S):
            while not await condition():  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.1)

    async def messages(self, role: str) -> list[str]:
        """The texts of the AIcall's messages of a role, newest first."""
        found = (await self.get("/v1.0/aimessages", aicall_id=(await self.aicall())["id"]))["result"]
        return [it["content"] for it in found if it["role"] == role]


@asynccontextmanager
async def office(server: Server, dials: str, *, reply: ReplyScript | None = None, **ai: Any) -> AsyncIterator[Office]:
    """Run a bot and an Asterisk that connects its callers to it, while the context lasts.

    Args:
        server: Where the bot lives.
        dials: The dialplan's application that extension 100 runs; one of `WEBSOCKET` or `AUDIOSOCKET`.
        reply: What the model says.
        **ai: Fields of the AI.
    """
    server.openai.script = Script(reply)
    asterisk = Asterisk(Path(os.environ[ROOT_VARIABLE]), server.ari_port)
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=30) as http:
            created = await http.post("/v1.0/ais", json=office_ai(**ai))
            assert created.is_success, created.text
            granted = await http.post(f"/v1.0/ais/{created.json()['id']}/media_token")
            assert granted.is_success, granted.text
            grant = granted.json()
            values = {"uuid": grant.get("audiosocket_uuid") or "", "address": f"127.0.0.1:{server.audiosocket_port}"}
            asterisk.configure(
                {
                    "websocket_client.conf": websocket_client(grant["media_url"]),
                    "extensions.conf": DIALPLAN.format(lines=extension("100", dials, values)),
                }
            )
            await asterisk.start()
            yield Office(asterisk, http, server, created.json())
    finally:
        await asterisk.stop()


def websocket_client(media_url: str) -> str:
    """The file of that name: the bot's media URL."""
    return f"""
[bot]
type=websocket_client
connection_type=per_call_config
uri={media_url}
protocols=media
username={MEDIA_USER}
password={MEDIA_PASSWORD}
tls_enabled=no
"""


def extension(number: str, dials: str, values: dict[str, str]) -> str:
    """The bot's extension. AudioSocket needs an answered call; chan_websocket answers it."""
    for name, value in values.items():
        dials = dials.replace(f"{{{name}}}", value)
    first = "Answer()" if dials.startswith("AudioSocket") else "NoOp()"
    return f"exten => {number},1,{first}\n same => n,{dials}\n same => n,Hangup()"
