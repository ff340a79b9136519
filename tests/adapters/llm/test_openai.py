from typing import Any

import pytest
from pipecat.frames.frames import ErrorFrame, LLMContextFrame
from pydantic import SecretStr

from adapters.credentials import resolve_credentials, resolve_options
from adapters.llm.build import build_llm
from adapters.llm.table import LLM_TABLE, OPENAI_COMPATIBLE
from models.errors import InvalidField
from models.providers import EngineModel
from tests.adapters.llm.contract import VendorLlmContract, conversation
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.openai import OpenAIStandIn, speaking
from tests.standins.replies import Reply

NO_KEY = SecretStr("")
ROWS = [row.name for row in LLM_TABLE.rows if row.factory == OPENAI_COMPATIBLE]


def stand_in(name: str) -> Any:
    return OpenAIStandIn if name == "openai" else speaking(name)


class TestOpenAi(VendorLlmContract):
    engine = "openai.gpt-4o"
    endpoint = "chat"
    stand_in = OpenAIStandIn


class TestAzure(VendorLlmContract):
    engine = "azure.gpt-4.1"
    endpoint = "chat"
    stand_in = speaking("azure")


class TestCerebras(VendorLlmContract):
    engine = "cerebras.gpt-oss-120b"
    endpoint = "chat"
    stand_in = speaking("cerebras")


class TestDeepSeek(VendorLlmContract):
    engine = "deepseek.deepseek-flash"
    endpoint = "chat"
    stand_in = speaking("deepseek")


class TestFireworks(VendorLlmContract):
    engine = "fireworks.accounts/fireworks/models/nemotron-3-ultra-nvfp4"
    endpoint = "chat"
    stand_in = speaking("fireworks")


class TestGrok(VendorLlmContract):
    engine = "grok.grok-4.20-non-reasoning"
    endpoint = "chat"
    stand_in = speaking("grok")


class TestGroq(VendorLlmContract):
    engine = "groq.openai/gpt-oss-120b"
    endpoint = "chat"
    stand_in = speaking("groq")


class TestMistral(VendorLlmContract):
    engine = "mistral.mistral-small-latest"
    endpoint = "chat"
    stand_in = speaking("mistral")


class TestNvidia(VendorLlmContract):
    engine = "nvidia.nvidia/nemotron-3.5-super-vl-120b-a12b"
    endpoint = "chat"
    stand_in = speaking("nvidia")


class TestOllama(VendorLlmContract):
    engine = "ollama.llama2"
    endpoint = "chat"
    stand_in = speaking("ollama")


class TestOpenRouter(VendorLlmContract):
    engine = "openrouter.openai/gpt-4.1"
    endpoint = "chat"
    stand_in = speaking("openrouter")


class TestQwen(VendorLlmContract):
    engine = "qwen.qwen-plus"
    endpoint = "chat"
    stand_in = speaking("qwen")


class TestSambaNova(VendorLlmContract):
    engine = "sambanova.Meta-Llama-3.3-70B-Instruct"
    endpoint = "chat"
    stand_in = speaking("sambanova")


class TestTogether(VendorLlmContract):
    engine = "together.zai-org/GLM-5.2"
    endpoint = "chat"
    stand_in = speaking("together")


async def ask(
    name: str,
    *,
    key: SecretStr = KEY,
    options: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    messages: tuple[dict[str, str], ...] = ({"role": "user", "content": "Hi."},),
    own_endpoint: bool = False,
    said: str = "Hello.",
    vendor: Any = None,
    **vendor_options: Any,
) -> Any:
    """Ask a vendor's stand-in once; returns the request, and fails when it was refused."""
    kind = vendor or stand_in(name)
    async with kind(**{"reply": [Reply("Hello.")], **vendor_options}) as server, patient_clients() as clients:
        variables = {} if own_endpoint else {f"AICALL_BASE_URL_{name.upper()}": server.base_url}
        own = {"base_url": server.base_url} if own_endpoint else {}
        llm = build_llm(
            EngineModel.parse(f"{name}.{LLM_TABLE[name].default_model}"),
            key=key,
            system_instruction="Be brief.",
            resources=clients,
            environ=variables | {"AICALL_ALLOW_PRIVATE_ENDPOINTS": "true"} | (environ or {}),
            options=(options or {}) | own,
        )
        async with conversation(llm) as talk:
            for message in messages:
                talk.context.add_message(message)  # type: ignore[arg-type]
            await talk.pipe.send(LLMContextFrame(talk.context))
            assert await talk.answers() == said
            assert not talk.pipe.up.of(ErrorFrame)
        return server.requests[-1]


@pytest.mark.parametrize("name", ROWS)
async def test_a_prompt_of_the_pipelines_in_mid_call_is_taken(name: str) -> None:
    messages = (
        {"role": "developer", "content": "Greet the caller."},
        {"role": "assistant", "content": "Hello, this is Ann's shop."},
        {"role": "user", "content": "Hi."},
        {"role": "developer", "content": "The caller has been silent. Ask whether anybody is there."},
    )
    request = await ask(name, messages=messages)
    assert "Greet the caller." in str(request.body)


@pytest.mark.parametrize(
    ("name", "options", "fields"),
    [
        ("openai", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("groq", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
        ("grok", {}, {"reasoning_effort": None}),
        ("deepseek", {}, {"thinking": {"type": "disabled"}}),
        ("deepseek", {"thinking": "enabled"}, {"thinking": {"type": "enabled"}}),
        ("qwen", {}, {"enable_thinking": None}),
        ("qwen", {"thinking": "disabled"}, {"enable_thinking": False}),
        ("together", {"thinking": "disabled"}, {"reasoning": {"enabled": False}}),
        ("fireworks", {}, {"stream_options": None}),
        ("mistral", {}, {"stream_options": None}),
        ("openai", {}, {"stream_options": {"include_usage": True}}),
    ],
)
async def test_options_and_quirks_reach_the_wire(name: str, options: dict[str, str], fields: dict[str, Any]) -> None:
    body = (await ask(name, options=options)).body
    assert {field: body.get(field) for field in fields} == fields


@pytest.mark.parametrize("name", ["nvidia", "ollama"])
async def test_a_server_that_needs_no_key_is_sent_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    # A NIM of one's own takes no key, NVIDIA's does.
    request = await ask(name, key=NO_KEY, vendor=speaking("ollama"))
    assert "authorization" not in request.headers


async def test_the_resource_is_a_part_of_azures_host() -> None:
    row = LLM_TABLE["azure"]
    engine = EngineModel.parse("azure.gpt-4.1")
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as missing:
            build_llm(engine, key=KEY, system_instruction="", resources=clients, environ={})
        assert missing.value.field == "parameter.llm_options.resource"
        for bad in ("evil.example/", "a", "-x", "host#"):
            with pytest.raises(InvalidField) as malformed:
                build_llm(
                    engine,
                    key=KEY,
                    system_instruction="",
                    resources=clients,
                    environ={},
                    options={"resource": bad},
                )
            assert malformed.value.field == "parameter.llm_options.resource"
    credentials = resolve_credentials(row, KEY, {}, resolve_options(row, {"resource": "my-shop"}, {}))
    assert credentials.base_url == "https://my-shop.openai.azure.com/openai/v1"


@pytest.mark.parametrize("name", ["openai", "azure", "ollama", "nvidia"])
async def test_an_ai_may_name_a_server_of_its_own(name: str) -> None:
    request = await ask(name, own_endpoint=True)
    assert KEY.get_secret_value() in str(request.headers)


async def test_halves_of_a_character_and_thoughts_do_not_reach_the_voice() -> None:
    pieces = ["<think>Hm", ".</think>", "Rain \ud83c", "\udf27."]
    await ask("openai", reply=[Reply(chunks=pieces)], said="Rain \U0001f327.")
