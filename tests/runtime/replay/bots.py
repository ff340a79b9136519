"""A scripted bot on a real loopback WebSocket, behind the runtime's own side of the media protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkReached,
    MediaEvent,
    MediaProtocol,
    Reply,
    Started,
    Stopped,
)
from adapters.media.clients.base import CallLeg
from adapters.media.clients.twilio import TwilioClient
from adapters.media.registry import choose, client_by_name
from runtime.replay.activity import ActivityTracker
from runtime.replay.call import Line, place_call
from runtime.replay.caller import Caller
from runtime.replay.load import rate_of
from runtime.replay.record import CallRecord
from runtime.replay.script import AwaitReply, Script, Step, conversation
from runtime.replay.utterance import Utterance, utterance_of

QUIET_MS = 200


def tone(duration_ms: int, rate_hz: int = 8000, frequency_hz: float = 400.0) -> np.ndarray:
    """A square-ish tone whose first sample is loud, so that its onset is known to the sample."""
    time_s = np.arange(rate_hz * duration_ms // 1000) / rate_hz
    return np.where(np.sin(2 * np.pi * frequency_hz * time_s + 0.1) >= 0, 8000, -8000).astype(np.int16)


def utterance(duration_ms: int = 400, label: str = "hello", rate_hz: int = 8000) -> Utterance:
    """A tone of whole frames without any silence around it."""
    return utterance_of(label, tone(duration_ms, rate_hz), rate_hz, rate_hz)


REPLY = AwaitReply(timeout_s=3.0, quiet_s=0.6)


def script(turns: int = 2, rate_hz: int = 8000) -> Script:
    """A conversation of so many turns, labelled turn-0, turn-1, …"""
    return conversation((utterance(label=f"turn-{n}", rate_hz=rate_hz) for n in range(turns)), reply=REPLY)


@dataclass
class Bot:
    """What the bot does.

    `delay_s` runs from the end of the caller's speech (after the silence window) or from the last key `#`.
    `pauses` are (frame, seconds): the pause before that frame of each answer, on top of the pacing.
    """

    greeting_ms: int = 400
    answer_ms: int = 600
    delay_s: float = 0.1
    answers: int = 100
    paced: bool = True
    pauses: dict[int, float] = field(default_factory=dict)
    clear_after_s: float | None = 0.2
    hangup_after_answer: int | None = None
    close_after_s: float | None = None
    refuse: tuple[int, str] | None = None
    deaf: bool = False
    send_raw: list[str | bytes] = field(default_factory=list)

    calls: int = 0
    heard_digits: str = ""
    marks: list[str] = field(default_factory=list)
    stopped: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        def refuse(connection: ServerConnection, request: Request) -> Response | None:
            self.headers = {name.lower(): value for name, value in request.headers.raw_items()}
            if self.refuse is None:
                return None
            return connection.respond(self.refuse[0], self.refuse[1])  # type: ignore[arg-type]

        async with serve(self._call, "127.0.0.1", 0, process_request=refuse, ping_interval=None) as server:
            port = server.sockets[0].getsockname()[1]
            yield f"ws://127.0.0.1:{port}/ws/one/secret"

    async def _call(self, socket: ServerConnection) -> None:
        self.calls += 1
        call = _Call(self, socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(call.run(group))
        except* ConnectionClosed:
            pass


class _Call:
    def __init__(self, bot: Bot, socket: ServerConnection) -> None:
        self.bot, self.socket = bot, socket
        self.protocol: MediaProtocol | None = None
        self.ear: ActivityTracker | None = None
        self.speech: asyncio.Task[None] | None = None
        self.answers = 0
        self.sent = 0
        self.talked = False
        self.playing = False

    async def run(self, group: asyncio.TaskGroup) -> None:
        bot = self.bot
        if bot.deaf:
            self.socket.transport.pause_reading()
            await asyncio.sleep(60)
        if bot.close_after_s is not None:
            group.create_task(self._close_later(bot.close_after_s))
        async for message in self.socket:
            if self.protocol is None:
                handshake = Handshake(url="", path="/")
                found = choose(handshake, message)
                if found is None:
                    continue  # a greeting
                self.protocol = found.begin(handshake)
            for event in self.protocol.receive(message):
                if isinstance(event, Reply):
                    for answer in event.messages:
                        await self.socket.send(answer)
                else:
                    await self._take(event, group)

    async def _take(self, event: MediaEvent, group: asyncio.TaskGroup) -> None:
        bot = self.bot
        match event:
            case Started():
                self.ear = ActivityTracker(event.sample_rate_hz)
                for raw in bot.send_raw:
                    await self.socket.send(raw)
                if bot.greeting_ms:
                    self.speech = group.create_task(self._speak(bot.greeting_ms, 0.0, {}))
            case AudioReceived(pcm):
                self._listen(pcm, group)
            case DtmfReceived(digit):
                bot.heard_digits += digit
                if digit == "#":
                    self._answer(group)
            case MarkReached(name):
                bot.marks.append(name)
                self.playing = False
            case Stopped():
                bot.stopped += 1
                if self.speech:
                    self.speech.cancel()
                await self.socket.close()

    def _listen(self, pcm: bytes, group: asyncio.TaskGroup) -> None:
        assert self.ear
        self.ear.feed(pcm)
        if self.ear.speaking and not self.talked:
            self.talked = True
            if self.playing and self.bot.clear_after_s is not None:
                group.create_task(self._cut(self.bot.clear_after_s))
        if self.talked and self.ear.quiet_ms >= QUIET_MS:
            self.talked = False
            self.ear.cut()
            self._answer(group)

    def _answer(self, group: asyncio.TaskGroup) -> None:
        self.answers += 1
        if self.answers <= self.bot.answers:
            self.speech = group.create_task(self._speak(self.bot.answer_ms, self.bot.delay_s, self.bot.pauses))

    async def _speak(self, duration_ms: int, delay_s: float, pauses: dict[int, float]) -> None:
        assert self.protocol
        rate_hz = self.protocol.sample_rate_hz
        loop = asyncio.get_running_loop()
        await asyncio.sleep(delay_s)
        self.playing = True
        due_s = loop.time()
        pcm = tone(duration_ms, rate_hz).tobytes()
        frame = rate_hz // 50 * 2
        for number, at in enumerate(range(0, len(pcm), frame)):
            due_s += pauses.get(number, 0.0)
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            await self._send(self.protocol.send_audio(pcm[at : at + frame]))
            if self.bot.paced:
                due_s += 0.02
        self.sent += 1
        await self._send(self.protocol.send_mark(f"end-{self.sent}"))
        if self.answers == self.bot.hangup_after_answer:
            await asyncio.sleep(0.1)
            await self._send(self.protocol.send_hangup())
            await self.socket.close()

    async def _cut(self, after_s: float) -> None:
        assert self.protocol
        await asyncio.sleep(after_s)
        if self.speech:
            self.speech.cancel()
        await self._send(self.protocol.send_clear())

    async def _close_later(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.socket.close(1011, "pipeline lost")

    async def _send(self, messages: list[str | bytes]) -> None:
        for message in messages:
            await self.socket.send(message)


def problem(detail: str) -> str:
    return json.dumps({"title": "Forbidden", "status": 403, "detail": detail})


async def place(
    bot: Bot,
    script: Script,
    *,
    protocol: str = "twilio",
    headers: dict[str, str] | None = None,
    keep_audio: bool = False,
) -> CallRecord:
    """Place one call to a bot, at the rate of the script's utterances."""
    leg = CallLeg(stream_id="MZ1", call_id="CA1", account_id="AC1", sample_rate_hz=rate_of(protocol))
    client = client_by_name(protocol)(leg)
    caller = Caller(client, script, keep_audio=keep_audio)
    async with bot.serving() as url:
        return await place_call(Line(url, headers=headers or {}), caller)


def twilio_caller(*steps: Step) -> Caller:
    """A caller who speaks Twilio's protocol, outside of any call."""
    return Caller(TwilioClient(CallLeg(stream_id="MZ1", call_id="CA1", account_id="AC1")), steps)


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """A TCP server that accepts and never says a word."""
    over = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        over.set()
