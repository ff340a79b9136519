"""A caller: SIPp for the signalling, and a `Handset` for the audio, which is the port in SIPp's own SDP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.asterisk.pbx import Asterisk, free_udp_port, in_root
from tests.e2e.asterisk.rtp import Handset

NUMBER = "+15551230001"
WAIT_S = 20.0
"""Longest wait for anything that must happen, seconds."""
_LONGEST_MS = 120_000
_LEFT = "the caller hangs up"

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Caller" <sip:%(number)s@[local_ip]:[local_port]>;tag=[pid]t[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:%(number)s@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio %(port)d RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"><action>
    <ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="true" assign_to="line,port"/>
    <exec command="echo [$port] > answered.part; mv answered.part answered"/>
  </action></recv>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: "Caller" <sip:%(number)s@[local_ip]:[local_port]>;tag=[pid]t[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv request="BYE" timeout="%(hang_up_ms)d" ontimeout="leave"/>
  <send next="end"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <label id="leave"/>
  <nop><action><log message="%(left)s"/></action></nop>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: "Caller" <sip:%(number)s@[local_ip]:[local_port]>;tag=[pid]t[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
  <label id="end"/>
  <nop/>
  <Reference variables="line"/>
</scenario>
"""


class Caller:
    """A call in progress.

    Attributes:
        handset: What the caller hears and says.
    """

    def __init__(self, handset: Handset, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.handset = handset
        self._process = process
        self._folder = folder

    async def answered(self) -> None:
        """Wait until the call was answered; from then on the caller sends audio."""
        async with asyncio.timeout(WAIT_S):
            # SIPp says it by a file; there is nothing to wait on.
            while not (self._folder / "answered").exists():
                assert self._process.returncode is None, "SIPp ended: " + self.log()
                await asyncio.sleep(0.02)
        self.handset.talk_to(int((self._folder / "answered").read_text()))

    async def over(self) -> str:
        """Wait until the call is over; returns who said BYE: ``caller`` or ``pbx``."""
        async with asyncio.timeout(WAIT_S):
            code = await self._process.wait()
        assert code == 0, "SIPp: " + self.log()
        said = self._folder / "said"
        return "caller" if said.exists() and _LEFT in said.read_text() else "pbx"

    def log(self) -> str:
        """The end of what SIPp wrote."""
        return (self._folder / "output").read_text(errors="replace")[-4_000:]


@asynccontextmanager
async def calling(asterisk: Asterisk, extension: str, *, hang_up_s: float | None = None) -> AsyncIterator[Caller]:
    """Dial, and wait until it was answered; the end of the context tears down what is left.

    Args:
        asterisk: Whom.
        extension: Number to dial.
        hang_up_s: When the caller hangs up, seconds after the answer; None never does.
    """
    handset = Handset()
    await handset.open()
    folder = Path(tempfile.mkdtemp(prefix="caller-", dir=asterisk.folder))
    inside = f"/{folder.relative_to(asterisk.root)}"
    hang_up_ms = _LONGEST_MS if hang_up_s is None else round(hang_up_s * 1000)
    values = {"number": NUMBER, "port": handset.port, "hang_up_ms": hang_up_ms, "left": _LEFT}
    (folder / "caller.xml").write_text(_SCENARIO % values)
    words = ["sipp", "-sf", "caller.xml", "-s", extension, f"127.0.0.1:{asterisk.sip_port}", "-i", "127.0.0.1"]
    words += ["-p", str(free_udp_port()), "-m", "1", "-nostdin", "-trace_err", "-error_file", "errors"]
    words += ["-trace_logs", "-log_file", "said"]
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *in_root(asterisk.root, inside, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        caller = Caller(handset, process, folder)
        await caller.answered()
        yield caller
    finally:
        if process.returncode is None:
            # Else the far end would hold on to the call.
            await asterisk.console("channel request hangup all")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await process.wait()
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await handset.close()
