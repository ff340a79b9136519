"""One request through each installed SDK, to a vendor that stands in this process, so that no call makes the first one.

An SDK imports half of itself, builds its models of the vendor's answers and chooses its network library only when it is
first used: up to 170 ms, in which no call's audio would move.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import SecretStr

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

_CONTENT = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {
        "promptTokenCount": 1,
        "candidatesTokenCount": 1,
        "totalTokenCount": 2,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}],
    },
    "modelVersion": "m",
    "responseId": "1",
}


def _amazon_event(kind: str, body: Mapping[str, Any]) -> bytes:
    """A message of ``application/vnd.amazon.eventstream``."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    parts = ((name.encode(), value.encode()) for name, value in named.items())
    head = b"".join(bytes([len(name)]) + name + struct.pack(">BH", 7, len(value)) + value for name, value in parts)
    payload = json.dumps(body).encode()
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


_CONVERSATION = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Yes."}}),
    ("messageStop", {"stopReason": "end_turn"}),
)

_ANSWERS = {
    "/model/m/converse-stream": (
        "application/vnd.amazon.eventstream",
        b"".join(_amazon_event(kind, body) for kind, body in _CONVERSATION),
    ),
    "/v1/speech": ("audio/pcm", bytes(480)),
    "/v1/voices": ("application/json", b'{"Voices": []}'),
    "/v1/chat/completions": ("text/event-stream", f"data: {json.dumps(_CHAT)}\n\ndata: [DONE]\n\n".encode()),
    "/v1beta/models/m:streamGenerateContent": ("text/event-stream", f"data: {json.dumps(_CONTENT)}\r\n\r\n".encode()),
    "/v1/audio/speech": ("audio/pcm", bytes(480)),
    "/v1/messages": (
        "text/event-stream",
        "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _MESSAGE).encode(),
    ),
}


_Use = Callable[[Any, str], Awaitable[None]]


def rehearse(sdks: Collection[str] | None = None) -> None:
    """Use SDKs that are installed once. Blocks, for a second of CPU when none was imported before.

    It runs in a thread with an event loop of its own. What fails here is left to the first call.

    Args:
        sdks: Names of their packages; None for all.
    """
    chosen = _USES if sdks is None else {sdk: use for sdk, use in _USES.items() if sdk in sdks}
    if not chosen:
        return
    thread = threading.Thread(target=_run, args=(chosen,), name="rehearsal")
    thread.start()
    thread.join()


def _run(uses: Mapping[str, _Use]) -> None:
    asyncio.run(_rehearse_all(uses))


async def _rehearse_all(uses: Mapping[str, _Use]) -> None:
    async with contextlib.AsyncExitStack() as opened:
        try:
            url = await opened.enter_async_context(_vendor())
        except OSError:
            return
        for sdk, use in uses.items():
            with contextlib.suppress(Exception):
                # Of a package within one that is not installed, find_spec raises ModuleNotFoundError.
                if find_spec(sdk) is not None:
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


async def _use_genai(sdk: Any, url: str) -> None:
    import httpx  # noqa: PLC0415
    from google.genai.types import HttpOptions  # noqa: PLC0415

    # Without one of its own for each way to connect, which takes 150 ms.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient() as pool:
        options = HttpOptions(
            base_url=url,
            httpx_async_client=pool,
            client_args={"verify": tls},
            async_client_args={"verify": tls, "ssl": tls},
        )
        models = sdk.Client(api_key="unused", http_options=options).aio.models
        config = {
            "system_instruction": "Be brief.",
            "max_output_tokens": 1,
            "thinking_config": {"thinking_budget": 0},
            "tools": [
                {
                    "function_declarations": [
                        {
                            "name": "f",
                            "description": "d",
                            "parameters": {"type": "OBJECT", "properties": {"p": {"type": "STRING"}}},
                        }
                    ]
                }
            ],
        }
        async for _ in await models.generate_content_stream(model="m", contents="Hello.", config=config):
            pass


async def _use_amazon(sdk: Any, url: str) -> None:
    # These modules need this one.
    from adapters.aws import aws_client  # noqa: PLC0415
    from adapters.clients import SharedClients  # noqa: PLC0415
    from adapters.requests import Credentials  # noqa: PLC0415

    del sdk
    clients, one = SharedClients(), Credentials(SecretStr("unused"), url, "unused")
    try:
        polly, bedrock = (aws_client(name, one, {}, clients, _LIMIT_S) for name in ("polly", "bedrock-runtime"))
        await polly.ask(one, "describe_voices")
        speech = await polly.ask(
            one, "synthesize_speech", {"OutputFormat": "pcm", "Text": "Hello.", "VoiceId": "Joanna"}
        )
        await speech["AudioStream"].read()
        words = [{"role": "user", "content": [{"text": "Hello."}]}]
        chat = await bedrock.ask(one, "converse_stream", {"modelId": "m", "messages": words})
        async for _ in chat["stream"]:
            pass
    finally:
        await clients.aclose()


_USES: Mapping[str, _Use] = {
    "openai": _use_openai,
    "anthropic": _use_anthropic,
    "aiobotocore": _use_amazon,
    "google.genai": _use_genai,
}


@asynccontextmanager
async def _vendor() -> AsyncIterator[str]:
    """Answer on a loopback port, one request a connection; yields the URL."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.lower().splitlines()
        length = next((line.split(":")[1] for line in lines if line.startswith("content-length:")), "0")
        await reader.readexactly(int(length))
        kind, body = _ANSWERS[head.split()[1].partition("?")[0]]
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n".encode())
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
    except (KeyError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()
