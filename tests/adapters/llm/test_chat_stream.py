"""Answers as vendors send them that are not OpenAI, from a stand-in that sends exactly these chunks."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from aiohttp import web

from adapters.llm.chat_stream import ChatStream, parsed
from adapters.llm.openai_client import make_client
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients, until
from tests.standins.base import LoggedRequest
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.wire import ByteStream


class Verbatim(OpenAIStandIn):
    """Sends these chunks, and comments while it has nothing to say."""

    chunks: tuple[dict[str, Any], ...] = ()

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        stream = await ByteStream.open(self, request, log, "text/event-stream", keep_alive=b": wait\n\n")
        for chunk in self.chunks:
            await stream.send(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await stream.send(b"data: [DONE]\n\n")
        return await stream.end()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "1", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(index: int | None, name: str = "", arguments: str = "", id: str | None = None) -> dict[str, Any]:  # noqa: A002
    piece: dict[str, Any] = {"function": {"name": name or None, "arguments": arguments}}
    return piece | ({} if index is None else {"index": index}) | ({"id": id} if id else {})


@asynccontextmanager
async def answer(
    *chunks: dict[str, Any], quiet_s: float = 10.0, **options: Any
) -> AsyncIterator[tuple[ChatStream, Verbatim]]:
    async with Verbatim(faults=options.pop("faults", None)) as vendor, patient_clients() as clients:
        vendor.chunks = chunks
        client = make_client(Credentials(KEY, vendor.base_url), clients)
        stream = await client.chat.completions.create(model="m", messages=[], stream=True)
        yield ChatStream(stream, quiet_s=quiet_s, **options), vendor


async def collect(*chunks: dict[str, Any], **options: Any) -> tuple[str, list[tuple[int, str, str, str]], Any]:
    """The text, the calls (number, id, name, arguments) and the last usage of an answer."""
    text, calls, usage = "", [], None
    async with answer(*chunks, **options) as (stream, _):
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices or []:
                if choice.delta:
                    text += choice.delta.content or ""
                    for it in choice.delta.tool_calls or []:
                        assert it.function
                        calls.append((it.index, it.id or "", it.function.name or "", it.function.arguments or ""))
    return text, calls, usage


FIRST, SECOND = (0, "a", "one", '{"x": 1}'), (1, "b", "two", "{}")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            (
                delta(tool_calls=[call(0, "one", "", "a")]),
                delta(tool_calls=[call(0, arguments='{"x"')]),
                delta(tool_calls=[call(0, arguments=": 1}")]),
                delta(tool_calls=[call(1, "two", "", "b")]),
            ),
            id="in pieces, as OpenAI",
        ),
        pytest.param(
            (delta(tool_calls=[call(0, "one", '{"x": 1}', "a"), call(1, "two", "{}", "b")]),),
            id="all in one chunk, as Mistral",
        ),
        pytest.param(
            (
                delta(tool_calls=[call(None, "one", '{"x": 1}', "a")]),
                delta(tool_calls=[call(None, "two", "null", "b")]),
            ),
            id="not numbered, as SambaNova",
        ),
        pytest.param(
            (delta(tool_calls=[call(0, "one", '{"x": 1}', "a")]), delta(tool_calls=[call(0, "two", "{}", "b")])),
            id="all with one number, as Ollama",
        ),
        pytest.param(
            (
                delta(tool_calls=[call(1, "one", '{"x"', "a")]),
                delta(tool_calls=[call(2, "two", "{", "b")]),
                delta(tool_calls=[call(1, arguments=": 1}"), call(2, arguments="}")]),
            ),
            id="in turns, numbered from 1",
        ),
        pytest.param(
            (
                delta(tool_calls=[call(0, "one", '{"x"', "a")]),
                delta(tool_calls=[call(0, "one", ": 1}", "a")]),
                delta(tool_calls=[call(1, "two", "", "b")]),
            ),
            id="with the name in every piece",
        ),
    ],
)
async def test_calls_come_whole_and_numbered(chunks: tuple[dict[str, Any], ...]) -> None:
    _, calls, _ = await collect(delta(content="So."), *chunks, delta("tool_calls"))
    assert calls == [FIRST, SECOND]


async def test_a_call_without_an_id_gets_one() -> None:
    _, ((number, made, name, arguments),), _ = await collect(delta("tool_calls", tool_calls=[call(0, "one")]))
    assert (number, name, arguments) == (0, "one", "{}")
    assert len(made) == 9
    assert made.isalnum()


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", '"x"', "1"])
async def test_arguments_that_are_no_object_raise(arguments: str) -> None:
    with pytest.raises(ValueError):
        await collect(delta(tool_calls=[call(0, "one", arguments, "a")]), delta("tool_calls"))


async def test_a_call_of_nothing_raises() -> None:
    with pytest.raises(ValueError, match="no name"):
        await collect(delta(tool_calls=[call(0, "", "{}", "a")]), delta("tool_calls"))


def test_no_arguments_are_none() -> None:
    assert parsed("") == parsed("null") == parsed("{}") == {}


async def test_an_answer_that_ends_before_its_end_raises() -> None:
    with pytest.raises(ConnectionError):
        await collect(delta(content="We are open from"))
    with pytest.raises(ConnectionError):
        await collect()


async def test_thoughts_and_parts_that_are_no_text_are_left_out() -> None:
    text, _, _ = await collect(
        delta(content=None, reasoning_content="Hm."),
        delta(content="<think>Hm.</think>"),
        delta(content=[{"type": "thinking", "thinking": []}, {"type": "text", "text": "Yes"}]),
        delta(content="."),
        {"id": "1", "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
        {"id": "1", "choices": None},
    )
    assert text == "Yes."


async def test_what_was_held_back_is_said_at_the_end() -> None:
    assert (await collect(delta("stop", content="<thi")))[0] == "<thi"


@pytest.mark.parametrize(("total", "completion"), [(18, 8), (15, 5)])
async def test_reasoning_that_is_counted_apart_is_added(total: int, completion: int) -> None:
    counted = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": total}
    counted |= {"completion_tokens_details": {"reasoning_tokens": 3}}
    last = {"id": "1", "choices": [], "usage": counted}
    _, _, usage = await collect(delta("stop", content="Hi."), last, reasoning_apart=True)
    assert usage.completion_tokens == completion
    _, _, usage = await collect(delta("stop", content="Hi."), last)
    assert usage.completion_tokens == 5


async def test_comments_do_not_keep_a_dead_answer_alive() -> None:
    chunks = delta(content="One"), delta("stop", content="two")
    async with answer(*chunks, faults=Faults(stall_after=1), quiet_s=0.5) as (stream, vendor):
        with pytest.raises(TimeoutError):
            _ = [chunk async for chunk in stream]
        await until(lambda: not vendor.open_streams)


async def test_closing_closes_the_vendors_stream() -> None:
    async with answer(delta(content="One"), faults=Faults(stall_after=1)) as (stream, vendor):
        chunks = aiter(stream)
        await anext(chunks)
        assert vendor.open_streams == 1
        await stream.close()
        await until(lambda: not vendor.open_streams)


async def test_an_error_within_a_stream_is_the_sdks() -> None:
    with pytest.raises(openai.APIError, match="overloaded"):
        await collect(delta(content="One"), {"error": {"code": 502, "message": "overloaded"}})
