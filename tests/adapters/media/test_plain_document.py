"""The example client of ``docs/protocol-plain.md``, run on a real socket against the real protocol."""

from __future__ import annotations

import re
import wave
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from adapters.media.base import AudioReceived, MarkReached, MediaEvent, Started, Stopped
from adapters.media.plain import SUBPROTOCOL, PlainProtocol

DOCUMENT = Path(__file__).parents[3] / "docs" / "protocol-plain.md"
CALLER = bytes(range(256)) * 5
GREETING = bytes(reversed(range(256))) * 4


async def test_the_example_holds_a_call(tmp_path: Path) -> None:
    events: list[MediaEvent] = []

    async def runtime(socket: ServerConnection) -> None:
        protocol = PlainProtocol()
        async for message in socket:
            for event in protocol.receive(message):
                events.append(event)
                answer = []
                if isinstance(event, Started):
                    answer = [*protocol.send_audio(GREETING), *protocol.send_mark("greeted"), *protocol.send_clear()]
                for out in answer:
                    await socket.send(out)
                if isinstance(event, Stopped):
                    return

    with wave.open(str(tmp_path / "caller.wav"), "wb") as wav:
        wav.setparams((1, 2, 16000, 0, "NONE", ""))
        wav.writeframes(CALLER)
    [source] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    example: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, str(DOCUMENT), "exec"), example)

    async with serve(runtime, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:  # type: ignore[list-item]
        [listener] = server.sockets
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        await example["call"](url, str(tmp_path / "caller.wav"), str(tmp_path / "bot.wav"))

    with wave.open(str(tmp_path / "bot.wav")) as wav:
        assert wav.getframerate() == 16000
        assert wav.readframes(wav.getnframes()) == GREETING
    assert events[0] == Started("c-1", "c-1", "", 16000)
    assert MarkReached("greeted") in events
    assert b"".join(event.pcm for event in events if isinstance(event, AudioReceived)) == CALLER
    assert events[-1] == Stopped("hangup")
