"""One request through each installed SDK, to a vendor that stands in this process, so that no call makes the first one.

An SDK imports half of itself, builds its models of the vendor's answers and chooses its network library only when it is
first used: up to 170 ms, in which no call's audio would move.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_LIMIT_S = 30.0
"""How long the requests to one SDK may take, seconds."""

_CHAT = {
    "id": "1",
    "object": "chat.completion.chunk",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}

_MESSAGE: tuple[Mapping[str, Any], ...] = (
    {
        "type": "message_start",
        "message": {
            "id": "1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)

_ANSWERS = {
    "/v1/chat/completions": ("text/event-stream", f"data: {json.dumps(_CHAT)}\n\ndata: [DONE]\n\n".encode()),
    "/v1/audio/speech": ("audio/pcm", bytes(480)),
    "/v1/messages": (
        "text/event-stream",
        "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _MESSAGE).encode(),
    ),
}


def rehearse() -> None:
    """Use every SDK that is installed once. Blocks, for a second of CPU when none was imported before.

    It runs in a thread with an event loop of its own. What fails here is left to the first call.
    """
    thread = threading.Thread(target=_run, name="rehearsal")
    thread.start()
    thread.join()


def _run() -> None:
    asyncio.run(_rehearse_all())


async def _rehearse_all() -> None:
    async with contextlib.AsyncExitStack() as opened:
        try:
            url = await opened.enter_async_context(_vendor())
        except OSError:
            return
        for sdk, use in _USES.items():
            if find_spec(sdk) is not None:
                with contextlib.suppress(Exception):
                    module = import_module(sdk)
                    async with asyncio.timeout(_LIMIT_S):
                        await use(module, url)


async def _use_openai(sdk: Any, url: str) -> None:
    client = sdk.AsyncOpenAI(api_key="unused", base_url=f"{url}/v1", max_retries=0)
    async with client:
        chat = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Hello."}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for _ in chat:
            pass
        speech = client.audio.speech.with_streaming_response
        async with speech.create(input="Hello.", model="m", voice="alloy", response_format="pcm") as audio:
            async for _ in audio.iter_bytes(240):
                pass


async def _use_anthropic(sdk: Any, url: str) -> None:
    async with sdk.AsyncAnthropic(api_key="unused", base_url=url, max_retries=0) as client:
        stream = await client.beta.messages.create(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "Hello."}], stream=True
        )
        async for _ in stream:
            pass


_USES: Mapping[str, Callable[[Any, str], Awaitable[None]]] = {"openai": _use_openai, "anthropic": _use_anthropic}


@asynccontextmanager
async def _vendor() -> AsyncIterator[str]:
    """Answer on a loopback port, one request a connection; yields the URL."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next((line.split(":")[1] for line in head.splitlines() if line.startswith("content-length:")), "0")
        await reader.readexactly(int(length))
        kind, body = _ANSWERS[head.split()[1].partition("?")[0]]
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n".encode())
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
    except (KeyError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()
