from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import FunctionCallParams

from adapters.llm.script import ScriptLLMService, load_script, parse_script
from adapters.tts.espeak import synthesize_async
from models.errors import InvalidField
from tests.adapters.llm.contract import conversation
from tests.standins.pipeline import piped

LONG = " ".join(f"word{number}" for number in range(2000))
SCRIPT = parse_script(f"""
rules:
- {{when: tell me all, say: "{LONG}"}}
- {{when: wait, say: "Yes?"}}
- {{when: note it, say: One moment., call: {{tool: note, arguments: {{text: it}}}},
    then: {{say: "Noted {{result.id}}."}}}}
- {{when: note that, call: {{tool: missing}}}}
""")


def tool(name: str, called: list[dict[str, Any]]) -> FunctionSchema:
    async def handler(params: FunctionCallParams) -> None:
        called.append(dict(params.arguments))
        await params.result_callback({"result": "success", "id": 7})

    return FunctionSchema(name, "Notes it.", {"text": {"type": "string"}}, [], handler=handler)


async def test_greets_with_an_empty_context() -> None:
    async with piped(ScriptLLMService(script=SCRIPT)) as pipe:
        await pipe.send(LLMContextFrame(LLMContext()))
        await pipe.down.wait(LLMFullResponseEndFrame)
        tokens = [frame.text for frame in pipe.down.of(LLMTextFrame)]
        assert "".join(tokens) == SCRIPT.greeting[0]
        assert len(tokens) == len(SCRIPT.greeting[0].split())


async def test_says_something_calls_a_tool_and_goes_on() -> None:
    called: list[dict[str, Any]] = []
    async with conversation(ScriptLLMService(script=SCRIPT), tool("note", called)) as talk:
        await talk.user_says("Note it!")
        assert (await talk.answers(2)).strip() == "One moment.Noted 7."
        assert called == [{"text": "it"}]


async def test_a_tool_that_is_not_offered_is_not_called() -> None:
    async with conversation(ScriptLLMService(script=SCRIPT), tool("note", [])) as talk:
        await talk.user_says("note that")
        assert (await talk.answers()).strip() == SCRIPT.cannot[0]
        assert not talk.spoken.of(FunctionCallsStartedFrame)


async def test_an_interruption_ends_the_answer_between_two_words() -> None:
    async with conversation(ScriptLLMService(script=SCRIPT)) as talk:
        await talk.user_says("tell me all")
        await talk.spoken.wait(LLMTextFrame, 3)
        await talk.pipe.send(InterruptionFrame())
        await talk.spoken.wait(InterruptionFrame)
        await talk.user_says("wait")
        await talk.spoken.until(lambda: talk.text.endswith("Yes?"))
        assert len(talk.spoken.of(LLMTextFrame)) < 1900


async def test_answers_outside_the_pipeline() -> None:
    context = LLMContext([{"role": "user", "content": "wait"}])
    assert await ScriptLLMService(script=SCRIPT).run_inference(context) == "Yes?"


async def test_the_long_answer_leaves_room_for_a_barge_in() -> None:
    context = LLMContext([{"role": "user", "content": "what are your opening hours"}])
    said = await ScriptLLMService(model="receptionist").run_inference(context)
    assert len(await synthesize_async(said or "", sample_rate_hz=8000)) / 16_000 > 12


def test_refuses_an_unknown_script() -> None:
    with pytest.raises(InvalidField):
        ScriptLLMService(model="nobody")
    assert ScriptLLMService(model="receptionist", script=None) is not None
    assert load_script("receptionist").greeting
