"""The Anthropic stand-in under Anthropic's own SDK, under Pipecat's service, and under every fault."""

import asyncio

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from pipecat.frames.frames import ErrorFrame, LLMContextFrame, LLMFullResponseEndFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.anthropic.llm import AnthropicLLMService

from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.pipeline import piped
from tests.standins.replies import Reply

MODEL = "claude-sonnet-4-6"
USER = [{"role": "user", "content": "What time is it?"}]
TOOL = {"name": "stop_service", "description": "Ends the call.", "input_schema": {"type": "object", "properties": {}}}


def client(stand_in, key=DEFAULT_KEY):
    return AsyncAnthropic(api_key=key, base_url=stand_in.base_url, max_retries=0, timeout=5)


async def events_of(api, messages=USER, **more):
    stream = await api.messages.create(model=MODEL, max_tokens=100, messages=messages, stream=True, **more)
    return [event async for event in stream]


async def test_sdk_streams_the_default_echo():
    async with AnthropicStandIn() as s, client(s) as api:
        events = await events_of(api)
        kinds = list(dict.fromkeys(event.type for event in events))
        assert kinds == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        text = "".join(event.delta.text for event in events if event.type == "content_block_delta")
        assert text == "You said: What time is it."
        assert events[-2].delta.stop_reason == "end_turn"
        assert events[-2].usage.output_tokens == 6
        assert s.requests[0].headers["x-api-key"] == DEFAULT_KEY
        await api.close()
        await s.all_closed()


async def test_sdk_assembles_text_and_tool_calls_and_answers_their_results():
    script = [Reply("One moment.", tool_calls=[("stop_service", {"reason": "the caller said goodbye"}), ("b", {})])]
    async with AnthropicStandIn(reply=script) as s, client(s) as api:
        async with api.messages.stream(model=MODEL, max_tokens=100, messages=USER, tools=[TOOL]) as stream:
            final = await stream.get_final_message()
        assert final.stop_reason == "tool_use"
        assert [block.type for block in final.content] == ["text", "tool_use", "tool_use"]
        assert final.content[1].input == {"reason": "the caller said goodbye"}
        assert final.content[2].input == {}
        asked = [
            *USER,
            {
                "role": "assistant",
                "content": [
                    block.model_dump(include={"type", "text", "id", "name", "input"}) for block in final.content
                ],
            },
        ]
        with pytest.raises(anthropic.BadRequestError, match="tool_result"):
            await api.messages.create(model=MODEL, max_tokens=100, messages=[*asked, *USER])
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": "done"} for block in final.content[1:]]
        answer = await api.messages.create(
            model=MODEL, max_tokens=9, messages=[*asked, {"role": "user", "content": results}]
        )
        assert answer.content[0].text == "The tool answered done."


async def test_sdk_lists_models_and_checks_keys_and_bodies():
    async with AnthropicStandIn(any_model=False) as s, client(s) as api:
        assert MODEL in [m.id async for m in api.models.list()]
        assert (await api.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(anthropic.NotFoundError):
            await api.models.retrieve("claude-none")
        with pytest.raises(anthropic.BadRequestError, match="non-empty"):
            await events_of(api, [{"role": "user", "content": ""}])
        async with client(s, key="wrong") as stranger:
            with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
                await stranger.models.list()


async def test_pipecat_speaks_with_it_and_calls_a_tool():
    called = asyncio.get_running_loop().create_future()

    async def stop_service(params):
        called.set_result(dict(params.arguments))
        await params.result_callback({"result": "ok"})

    script = ["It is nine.", Reply("Bye!", tool_calls=[("stop_service", {"why": "done"})])]
    async with AnthropicStandIn(reply=script) as s, client(s) as api:
        service = AnthropicLLMService(api_key=DEFAULT_KEY, client=api)
        service.register_function("stop_service", stop_service)
        async with piped(service) as pipe:
            await pipe.send(LLMContextFrame(LLMContext(messages=USER)))
            await pipe.down.wait(LLMFullResponseEndFrame)
            assert "".join(f.text for f in pipe.down.of(LLMTextFrame)) == "It is nine."
            await pipe.send(LLMContextFrame(LLMContext(messages=USER)))
            assert await asyncio.wait_for(called, 5) == {"why": "done"}
            assert not pipe.up.of(ErrorFrame)


async def test_pipecat_reports_a_refused_key():
    async with (
        AnthropicStandIn() as s,
        client(s, key="wrong") as api,
        piped(AnthropicLLMService(api_key="wrong", client=api)) as pipe,
    ):
        await pipe.send(LLMContextFrame(LLMContext(messages=USER)))
        assert (await pipe.up.wait(ErrorFrame))[0].exception.status_code == 401


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, anthropic.AuthenticationError, "authentication_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
async def test_status_faults(status, kind, code):
    async with AnthropicStandIn(faults=Faults(status=status, retry_after_s=7)) as s, client(s) as api:
        with pytest.raises(kind) as refused:
            await events_of(api)
        assert refused.value.body["error"]["type"] == code
        assert refused.value.response.headers["retry-after"] == "7"


async def test_drop_stall_and_garbage():
    async with AnthropicStandIn(reply=lambda _r: "one two three four five") as s, client(s) as api:
        s.faults.garbage_after = 4
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await events_of(api)
        s.faults = Faults(stall_after=5)
        stream = aiter(await api.messages.create(model=MODEL, max_tokens=100, messages=USER, stream=True))
        got = [await anext(stream) for _ in range(4)]
        assert got[-1].delta.text == " two"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.2)
        s.faults = Faults(drop_after=5)
        with pytest.raises(httpx2.ReadError):
            await events_of(api)
