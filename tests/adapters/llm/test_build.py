"""From an AI to the vendor's wire: the model's name, the key and the endpoint that are really used."""

import asyncio
from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams
from pydantic import SecretStr

from adapters.llm.build import build_llm
from models.errors import InvalidField
from models.providers import EngineModel
from tests.adapters.llm.contract import conversation
from tests.adapters.vendors import BOUND_S, patient_clients
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Reply

NO_KEY = SecretStr("")
VENDORS = [
    pytest.param("openai", OpenAIStandIn, id="openai"),
    pytest.param("anthropic", AnthropicStandIn, id="anthropic"),
]


def variables(provider: str, key: str, base_url: str) -> dict[str, str]:
    return {f"{provider.upper()}_API_KEY": key, f"AICALL_BASE_URL_{provider.upper()}": base_url}


@pytest.mark.parametrize(("provider", "stand_in"), VENDORS)
@pytest.mark.parametrize("model", ["gpt-4.1-mini", "accounts/fireworks/models/llama-v3p1.8b", "a.b/c:d.e"])
async def test_the_vendor_gets_the_models_whole_name(provider: str, stand_in: Any, model: str) -> None:
    async with stand_in(reply=[Reply("Hello.")]) as vendor, patient_clients() as clients:
        environ = variables(provider, "stand-in-key", vendor.base_url)
        engine = EngineModel.parse(f"{provider}.{model}")
        llm = build_llm(engine, key=NO_KEY, system_instruction="", resources=clients, environ=environ)
        async with conversation(llm) as talk:
            await talk.user_says("Hi.")
            assert (await talk.answers()).strip() == "Hello."
        assert [request.body["model"] for request in vendor.requests] == [model]


@pytest.mark.parametrize(("provider", "stand_in"), VENDORS)
@pytest.mark.parametrize(("own", "used"), [("", "of-the-variable"), ("of-the-ai", "of-the-ai")])
async def test_the_ais_own_key_comes_before_the_variables(provider: str, stand_in: Any, own: str, used: str) -> None:
    async with stand_in(reply=[Reply("Hello.")], keys=None) as vendor, patient_clients() as clients:
        environ = variables(provider, "of-the-variable", vendor.base_url)
        engine = EngineModel.parse(f"{provider}.model")
        llm = build_llm(engine, key=SecretStr(own), system_instruction="", resources=clients, environ=environ)
        async with conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
        headers = vendor.requests[0].headers
        assert used in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))


@pytest.mark.parametrize(
    ("engine", "field"),
    [
        ("openai.gpt-4.1", "engine_key"),
        ("anthropic.claude-sonnet-4-6", "engine_key"),
        ("script.nobody", "engine_model"),
    ],
)
async def test_what_cannot_be_made_names_the_field(engine: str, field: str) -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_llm(EngineModel.parse(engine), key=NO_KEY, system_instruction="", resources=clients, environ={})
        assert caught.value.field == field


async def test_a_tool_function_has_only_so_much_time() -> None:
    cut_off = asyncio.Event()

    async def never(params: FunctionCallParams) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cut_off.set()
            raise

    tool = FunctionSchema("stop_service", "Ends the call.", {}, [], handler=never)
    async with patient_clients() as clients:
        llm = build_llm(
            EngineModel.parse("script.receptionist"),
            key=NO_KEY,
            system_instruction="",
            resources=clients,
            environ={},
            function_call_timeout_s=0.05,
        )
        async with conversation(llm, tool) as talk:
            await talk.user_says("goodbye")
            async with asyncio.timeout(BOUND_S):
                await cut_off.wait()
