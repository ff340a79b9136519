"""What each vendor refuses is refused, by OpenAI's own SDK without any of our adapters."""

from typing import Any

import openai
import pytest

from tests.standins.base import DEFAULT_KEY
from tests.standins.openai import speaking
from tests.standins.openai_dialects import RULES, Rules
from tests.standins.replies import Reply

USER = {"role": "user", "content": "What time is it?"}


def client(server: Any, key: str = DEFAULT_KEY) -> openai.AsyncOpenAI:
    rules: Rules = server.RULES
    headers: dict[str, Any] = {rules.key_header: key} if rules.key_header else {}
    url = server.http_url + rules.prefix
    return openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, timeout=5, default_headers=headers)


async def chunks_of(server: Any, *messages: dict[str, Any], key: str = DEFAULT_KEY, **more: Any) -> list[Any]:
    async with client(server, key) as api:
        create: Any = api.chat.completions.create
        stream = await create(model="m", messages=messages or (USER,), stream=True, **more)
        return [chunk async for chunk in stream]


@pytest.mark.parametrize("vendor", RULES)
async def test_every_vendor_answers_at_its_path(vendor: str) -> None:
    async with speaking(vendor)(reply=["It is nine."]) as server:
        chunks = await chunks_of(server)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "It is nine."
        assert server.requests[0].path == f"{RULES[vendor].prefix}/chat/completions"


@pytest.mark.parametrize("vendor", RULES)
async def test_every_vendor_refuses_another_path_and_a_wrong_key(vendor: str) -> None:
    async with speaking(vendor)() as server:
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{server.http_url}/other", max_retries=0) as api:
            with pytest.raises(openai.NotFoundError):
                await api.chat.completions.create(model="m", messages=[USER])  # type: ignore[list-item]
        kind = openai.BadRequestError if vendor == "grok" else openai.AuthenticationError
        with pytest.raises(kind):
            await chunks_of(server, key="wrong")


@pytest.mark.parametrize("vendor", [name for name, rules in RULES.items() if "developer" not in rules.roles])
async def test_the_role_of_a_developer_is_openais(vendor: str) -> None:
    async with speaking(vendor)() as server:
        with pytest.raises(openai.BadRequestError):
            await chunks_of(server, {"role": "developer", "content": "Greet."})


@pytest.mark.parametrize(
    ("vendor", "field"), [(name, it) for name, rules in RULES.items() for it in sorted(rules.refused)]
)
async def test_a_field_that_a_vendor_does_not_have_is_refused(vendor: str, field: str) -> None:
    async with speaking(vendor)() as server:
        with pytest.raises(openai.BadRequestError, match=field):
            await chunks_of(server, extra_body={field: 1})


async def test_mistral_refuses_every_field_that_it_does_not_know() -> None:
    async with speaking("mistral")() as server:
        with pytest.raises(openai.UnprocessableEntityError):
            await chunks_of(server, stream_options={"include_usage": True})
        with pytest.raises(openai.UnprocessableEntityError):
            await chunks_of(server, extra_body={"anything": 1})
        assert await chunks_of(server, extra_body={"random_seed": 1})


CALL = {"id": "abcDEF123", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "abcDEF123", "content": "1"}
ANSWERED = {"role": "assistant", "content": "One."}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param((USER, SYSTEM), id="a late system message"),
        pytest.param((USER, CALLED, RESULT, USER), id="a user behind a tool"),
        pytest.param((USER, ANSWERED), id="an answer that stands last"),
        pytest.param(
            (USER, CALLED | {"tool_calls": [CALL | {"id": "call_0_long"}]}, RESULT | {"tool_call_id": "call_0_long"}),
            id="an id of another vendor",
        ),
    ],
)
async def test_mistral_refuses_a_conversation_in_another_order(messages: tuple[dict[str, Any], ...]) -> None:
    async with speaking("mistral")() as server:
        with pytest.raises(openai.BadRequestError):
            await chunks_of(server, *messages)
        assert await chunks_of(server, SYSTEM, USER, CALLED, RESULT, ANSWERED, USER)
        assert await chunks_of(server, SYSTEM, USER, CALLED, RESULT)


@pytest.mark.parametrize("vendor", ["nvidia", "openrouter"])
async def test_a_second_system_message_is_refused(vendor: str) -> None:
    async with speaking(vendor)() as server:
        with pytest.raises(openai.BadRequestError):
            await chunks_of(server, SYSTEM, USER, SYSTEM)


@pytest.mark.parametrize("vendor", RULES)
async def test_tool_calls_come_in_the_vendors_manner(vendor: str) -> None:
    reply = Reply("", [("one", {"x": "a long argument"}), ("two", {})])
    async with speaking(vendor)(reply=[reply]) as server:
        pieces = [c.choices[0].delta.tool_calls for c in await chunks_of(server) if c.choices]
        pieces = [it for it in pieces if it]
        match RULES[vendor].tool_calls:
            case "whole":
                assert [[call.function.name for call in it] for it in pieces] == [["one", "two"]]
            case "unnumbered":
                assert {call.index for it in pieces for call in it} == {None}
            case "same":
                assert {call.index for it in pieces for call in it} == {0}
            case _:
                assert {call.index for it in pieces for call in it} == {0, 1}
                assert len(pieces) > 3


@pytest.mark.parametrize("vendor", RULES)
async def test_tokens_are_told_in_the_vendors_manner(vendor: str) -> None:
    async with speaking(vendor)(reply=["It is nine."] * 2) as server:
        unasked = [c.usage for c in await chunks_of(server) if c.usage]
        if RULES[vendor].usage == "last":
            assert len(unasked) == 1
            return
        assert unasked == []
        (usage,) = [c.usage for c in await chunks_of(server, stream_options={"include_usage": True}) if c.usage]
        reasoning = usage.completion_tokens_details.reasoning_tokens
        assert usage.completion_tokens + (reasoning if RULES[vendor].reasoning_apart else 0) == 3


async def test_deepseek_thinks_unless_told_not_to() -> None:
    async with speaking("deepseek")() as server:
        for body, thinks in (({}, True), ({"thinking": {"type": "disabled"}}, False)):
            deltas = [c.choices[0].delta for c in await chunks_of(server, extra_body=body) if c.choices]
            assert any(getattr(delta, "reasoning_content", None) for delta in deltas) is thinks


async def test_who_needs_no_key_serves_without_one() -> None:
    async with speaking("ollama")() as server, client(server) as api:
        await api.get("/models", cast_to=object, options={"headers": {"Authorization": openai.omit}})


async def test_the_list_of_models_of_some_is_open_to_everybody_and_of_one_bare() -> None:
    for vendor in ("nvidia", "openrouter", "sambanova"):
        async with speaking(vendor)() as server, client(server, "wrong") as api:
            assert await api.get("/models", cast_to=object)
    async with speaking("together")() as server, client(server) as api:
        assert isinstance(await api.get("/models", cast_to=object), list)
