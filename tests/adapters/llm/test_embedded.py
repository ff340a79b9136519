import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.services.llm_service import LLMService
from pydantic import SecretStr

from adapters.llm.build import build_llm
from adapters.llm.script import ScriptLLMService, parse_script
from models.errors import InvalidField
from models.providers import EngineModel
from tests.adapters.llm.contract import LlmContract, conversation
from tests.adapters.vendors import patient_clients
from tests.standins.replies import Reply


def script_of(replies: tuple[Reply, ...]) -> str:
    """A script whose answers are these replies, one after the other, whatever is said."""
    asked = ("When are you open?", "first", "How is the weather in Bergen?", "Tell me everything.")
    rules: list[dict[str, Any]] = []
    first, *later = replies
    rule: dict[str, Any] = {"when": list(asked), "say": first.text.strip()}
    if first.tool_calls:
        ((tool, arguments),) = first.tool_calls
        rule = {"when": list(asked), "call": {"tool": tool, "arguments": arguments}, "then": {"say": later[0].text}}
    rules.append(rule)
    if later and not first.tool_calls:
        rules.append({"when": ["second", "Wait."], "say": later[0].text})
    return json.dumps({"greeting": "Hello.", "rules": rules})


class TestScript(LlmContract):
    @asynccontextmanager
    async def answering(self, *replies: Reply) -> AsyncIterator[LLMService[Any]]:
        yield ScriptLLMService(script=parse_script(script_of(replies)))


async def test_the_row_makes_the_bundled_script_speak() -> None:
    async with patient_clients() as clients:
        llm = build_llm(
            EngineModel.parse("script.receptionist"),
            key=SecretStr(""),
            system_instruction="",
            resources=clients,
            environ={},
        )
        async with conversation(llm) as talk:
            await talk.user_says("goodbye")
            assert await talk.answers()


async def test_an_unknown_script_is_refused() -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_llm(
                EngineModel.parse("script.nothing"),
                key=SecretStr(""),
                system_instruction="",
                resources=clients,
                environ={},
            )
        assert caught.value.field == "engine_model"
