"""The language models: one row per provider of seed 004, and the embedded one.

A provider whose API is OpenAI's is a row with ``factory`` `OPENAI_COMPATIBLE` and its own ``base_url``.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.aws_options import REGION
from adapters.llm.dialogflow_options import DIALOGFLOW_OPTIONS
from adapters.seats import Capability, KeyKind, ProviderOption, ProviderRow, Seat, SeatTable
from models.providers import LlmProvider

OPENAI_COMPATIBLE = "adapters.llm.openai:build"
"""The factory of every provider that speaks ``POST {base_url}/chat/completions`` with server-sent events."""

_CHAT = frozenset({Capability.STREAMING, Capability.TOOLS})

_EFFORT = ProviderOption(
    name="reasoning_effort",
    summary="How much the model thinks before it answers, where it can; the caller waits meanwhile",
    pattern="(none|minimal|low|medium|high|xhigh|max|default)?",
)
_THINKING = ProviderOption(
    name="thinking",
    summary="Whether the model thinks before it answers, where it can; the caller waits meanwhile",
    pattern="(enabled|disabled)?",
)
_PRESET = ProviderOption(
    name="preset",
    summary="Perplexity's configuration of search and reasoning; the AI's model takes the place of its own",
    default="fast",
    pattern="[a-z0-9-]{1,50}",
)
_RESOURCE = ProviderOption(
    name="resource",
    summary="Name of the Azure OpenAI resource, the first part of its host's name",
    variable="AZURE_OPENAI_RESOURCE",
    required=True,
    pattern="([a-zA-Z0-9][a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?",
)

_SONAR = (
    "Perplexity ended its Sonar chat models in September 2026: use openai/gpt-5.6-luna, perplexity/sonar, or another "
    "model of its agent API"
)


def _row(
    name: LlmProvider,
    label: str,
    key_variable: str,
    base_url: str,
    default_model: str,
    *,
    factory: str = "",
    account: str = "",
    own_endpoint: bool = False,
    own_endpoint_keyless: bool = False,
    key_optional: bool = False,
    options: tuple[ProviderOption, ...] = (),
    retired_models: Mapping[str, str] | None = None,
) -> ProviderRow:
    return ProviderRow(
        name=name,
        label=label,
        seat=Seat.LLM,
        factory=factory,
        key_variable=key_variable,
        base_url=base_url,
        default_model=default_model,
        capabilities=_CHAT,
        account=account,
        own_endpoint=own_endpoint,
        own_endpoint_keyless=own_endpoint_keyless,
        key_optional=key_optional,
        options=options,
        retired_models=retired_models or {},
    )


LLM_TABLE = SeatTable(
    Seat.LLM,
    (
        _row(
            LlmProvider.OPENAI,
            "OpenAI",
            "OPENAI_API_KEY",
            "https://api.openai.com/v1",
            "gpt-4.1",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            own_endpoint=True,
            own_endpoint_keyless=True,
            options=(_EFFORT,),
        ),
        ProviderRow(
            name=LlmProvider.ANTHROPIC,
            label="Anthropic",
            seat=Seat.LLM,
            factory="adapters.llm.anthropic:build",
            key_variable="ANTHROPIC_API_KEY",
            base_url="https://api.anthropic.com",
            extra="anthropic",
            module="anthropic",
            account="anthropic",
            default_model="claude-sonnet-4-6",
            capabilities=_CHAT,
        ),
        ProviderRow(
            name=LlmProvider.AWS,
            label="Amazon Bedrock",
            seat=Seat.LLM,
            factory="adapters.llm.aws:build",
            key_variable="AWS_SECRET_ACCESS_KEY",
            key_kind=KeyKind.AWS,
            base_url="https://bedrock-runtime.{region}.amazonaws.com",
            options=(REGION,),
            extra="aws",
            module="aiobotocore",
            account="bedrock",
            default_model="us.amazon.nova-lite-v1:0",
            capabilities=_CHAT,
        ),
        _row(
            LlmProvider.AZURE,
            "Azure OpenAI",
            "AZURE_OPENAI_API_KEY",
            "https://{resource}.openai.azure.com/openai/v1",
            "gpt-4.1",
            factory=OPENAI_COMPATIBLE,
            account="azure_openai",
            own_endpoint=True,
            options=(_RESOURCE, _EFFORT),
        ),
        _row(
            LlmProvider.CEREBRAS,
            "Cerebras",
            "CEREBRAS_API_KEY",
            "https://api.cerebras.ai/v1",
            "gpt-oss-120b",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_EFFORT,),
        ),
        _row(
            LlmProvider.DEEPSEEK,
            "DeepSeek",
            "DEEPSEEK_API_KEY",
            "https://api.deepseek.com/v1",
            "deepseek-flash",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_THINKING,),
        ),
        _row(
            LlmProvider.FIREWORKS,
            "Fireworks",
            "FIREWORKS_API_KEY",
            "https://api.fireworks.ai/inference/v1",
            "accounts/fireworks/models/nemotron-3-ultra-nvfp4",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_EFFORT,),
        ),
        ProviderRow(
            name=LlmProvider.GEMINI,
            label="Google Gemini",
            seat=Seat.LLM,
            factory="adapters.llm.gemini:build",
            key_variable="GOOGLE_API_KEY",
            base_url="https://generativelanguage.googleapis.com",
            extra="google",
            module="google.genai",
            account="gemini",
            default_model="gemini-3.6-flash",
            capabilities=_CHAT,
        ),
        _row(
            LlmProvider.GROK,
            "xAI Grok",
            "XAI_API_KEY",
            "https://api.x.ai/v1",
            "grok-4.20-non-reasoning",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_EFFORT,),
        ),
        _row(
            LlmProvider.GROQ,
            "Groq",
            "GROQ_API_KEY",
            "https://api.groq.com/openai/v1",
            "openai/gpt-oss-120b",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_EFFORT,),
        ),
        _row(
            LlmProvider.MISTRAL,
            "Mistral",
            "MISTRAL_API_KEY",
            "https://api.mistral.ai/v1",
            "mistral-small-latest",
            factory=OPENAI_COMPATIBLE,
            account="openai",
        ),
        _row(
            LlmProvider.NVIDIA,
            "NVIDIA NIM",
            "NVIDIA_API_KEY",
            "https://integrate.api.nvidia.com/v1",
            "nvidia/nemotron-3.5-super-vl-120b-a12b",
            factory=OPENAI_COMPATIBLE,
            account="public_models",
            own_endpoint=True,
            key_optional=True,
        ),
        _row(
            LlmProvider.OLLAMA,
            "Ollama",
            "OLLAMA_API_KEY",
            "http://localhost:11434/v1",
            "llama2",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            own_endpoint=True,
            key_optional=True,
        ),
        _row(
            LlmProvider.OPENROUTER,
            "OpenRouter",
            "OPENROUTER_API_KEY",
            "https://openrouter.ai/api/v1",
            "openai/gpt-4.1",
            factory=OPENAI_COMPATIBLE,
            account="openrouter",
        ),
        _row(
            LlmProvider.PERPLEXITY,
            "Perplexity",
            "PERPLEXITY_API_KEY",
            "https://api.perplexity.ai/v1",
            "openai/gpt-5.6-luna",
            factory="adapters.llm.perplexity:build",
            account="public_models",
            options=(_PRESET,),
            retired_models={"sonar*": _SONAR, "r1-1776": _SONAR, "llama-3*": _SONAR, "pplx-*": _SONAR},
        ),
        _row(
            LlmProvider.QWEN,
            "Qwen",
            "DASHSCOPE_API_KEY",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "qwen-plus",
            factory=OPENAI_COMPATIBLE,
            options=(_THINKING,),
        ),
        _row(
            LlmProvider.SAMBANOVA,
            "SambaNova",
            "SAMBANOVA_API_KEY",
            "https://api.sambanova.ai/v1",
            "Meta-Llama-3.3-70B-Instruct",
            factory=OPENAI_COMPATIBLE,
            account="public_models",
        ),
        _row(
            LlmProvider.TOGETHER,
            "Together AI",
            "TOGETHER_API_KEY",
            "https://api.together.xyz/v1",
            "zai-org/GLM-5.2",
            factory=OPENAI_COMPATIBLE,
            account="openai",
            options=(_THINKING,),
        ),
        ProviderRow(
            name=LlmProvider.DIALOGFLOW,
            label="Google Dialogflow",
            seat=Seat.LLM,
            factory="adapters.llm.dialogflow:build",
            key_variable="GOOGLE_APPLICATION_CREDENTIALS",
            key_kind=KeyKind.GOOGLE,
            base_url="https://dialogflow.googleapis.com",
            options=DIALOGFLOW_OPTIONS,
            extra="dialogflow",
            module="google.cloud.dialogflowcx_v3",
            account="dialogflow",
            models=("cx", "es"),
            default_model="cx",
            capabilities=_CHAT | {Capability.STATEFUL},
        ),
        ProviderRow(
            name=LlmProvider.SCRIPT,
            label="Script (embedded)",
            seat=Seat.LLM,
            factory="adapters.llm.embedded:build",
            default_model="receptionist",
            capabilities=_CHAT | {Capability.STATEFUL},
        ),
    ),
)
"""Every provider that ``engine_model`` may name."""
