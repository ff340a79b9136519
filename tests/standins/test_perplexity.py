"""The Perplexity stand-in under OpenAI's own SDK."""

from typing import Any

import openai
import pytest

from tests.standins.base import DEFAULT_KEY
from tests.standins.perplexity import PerplexityStandIn
from tests.standins.replies import Reply

USER = {"role": "user", "content": "What time is it?"}
CALL = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}


def client(server: PerplexityStandIn, key: str = DEFAULT_KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=key, base_url=server.base_url, max_retries=0, timeout=5)


async def events_of(server: PerplexityStandIn, key: str = DEFAULT_KEY, **fields: Any) -> list[Any]:
    async with client(server, key) as api:
        create: Any = api.responses.create
        stream = await create(**{"model": "openai/gpt-5.6-luna", "input": [USER], "stream": True} | fields)
        return [event async for event in stream]


async def test_streams_an_answer_with_usage() -> None:
    async with PerplexityStandIn(reply=["It is nine."]) as server:
        events = await events_of(server, instructions="Be brief.")
        said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert said == "It is nine."
        assert [event.sequence_number for event in events] == list(range(len(events)))
        usage = events[-1].response.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 3


async def test_a_search_of_a_preset_is_announced_as_a_call_and_done_as_results() -> None:
    async with PerplexityStandIn() as server:
        events = await events_of(server, extra_body={"preset": "fast"})
        added = [event.item.type for event in events if event.type == "response.output_item.added"]
        done = [event.item.type for event in events if event.type == "response.output_item.done"]
        assert (added, done) == (["function_call", "message"], ["search_results", "message"])


async def test_streams_the_arguments_of_a_call() -> None:
    async with PerplexityStandIn(reply=[Reply("", [("clock", {"zone": "Europe/Oslo"})])]) as server:
        tool = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
        events = await events_of(server, tools=[tool])
        pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        (done,) = [event.item for event in events if event.type == "response.output_item.done"]
        assert "".join(pieces) == done.arguments == '{"zone": "Europe/Oslo"}'
        assert len(pieces) > 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"store": False}, id="an unknown field"),
        pytest.param({"model": "sonar-pro"}, id="a model without its provider"),
        pytest.param({"extra_body": {"preset": "pro-search"}}, id="an unknown preset"),
        pytest.param({"model": openai.omit}, id="neither model nor preset"),
        pytest.param({"input": []}, id="no input"),
        pytest.param({"input": [{"role": "tool", "content": "1"}]}, id="an unknown role"),
        pytest.param({"input": [USER, {"type": "rubbish"}]}, id="an unknown item"),
        pytest.param({"input": [USER, CALL]}, id="a call without its output"),
        pytest.param({"input": [{"type": "function_call", "call_id": "c1"}]}, id="a call of nothing"),
        pytest.param(
            {"input": [USER, {"type": "function_call_output", "call_id": "c9", "output": "1"}]},
            id="an output of no call",
        ),
        pytest.param({"tools": [{"type": "code_interpreter"}]}, id="an unknown tool"),
        pytest.param({"tools": [{"type": "function"}]}, id="a tool without a name"),
        pytest.param({"stream": False}, id="not streamed"),
    ],
)
async def test_what_the_vendor_refuses_is_refused(fields: dict[str, Any]) -> None:
    async with PerplexityStandIn() as server:
        with pytest.raises(openai.BadRequestError):
            await events_of(server, **fields)


async def test_a_result_is_taken() -> None:
    output = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    async with PerplexityStandIn() as server:
        events = await events_of(server, input=[USER, CALL, output])
        assert any(event.type == "response.output_text.done" and "noon" in event.text for event in events)


async def test_a_wrong_key_and_the_ended_api_are_refused() -> None:
    async with PerplexityStandIn() as server:
        with pytest.raises(openai.AuthenticationError):
            await events_of(server, key="wrong")
        async with client(server) as api:
            with pytest.raises(openai.APIStatusError, match="Agent API") as ended:
                await api.chat.completions.create(model="sonar", messages=[USER])  # type: ignore[list-item]
            assert ended.value.status_code == 410
            with pytest.raises(openai.NotFoundError):
                await api.files.list()
        async with PerplexityStandIn(any_model=False) as strict:
            with pytest.raises(openai.BadRequestError, match="not supported"):
                await events_of(strict, model="openai/gpt-0")


async def test_the_models_are_open_to_everybody() -> None:
    async with PerplexityStandIn() as server, client(server, "wrong") as api:
        assert [model.id async for model in api.models.list()] == list(server.models)
