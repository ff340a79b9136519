"""The language models: one row per provider of seed 004, and the embedded one.

A provider whose API is OpenAI's is a row with ``factory`` `OPENAI_COMPATIBLE` and its own ``base_url``.
"""

from __future__ import annotations

from adapters.seats import Capability, ProviderRow, Seat, SeatTable
from models.providers import LlmProvider

OPENAI_COMPATIBLE = "adapters.llm.openai:build"
"""The factory of every provider that speaks ``POST {base_url}/chat/completions`` with server-sent events."""

_CHAT = frozenset({Capability.STREAMING, Capability.TOOLS})


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
        _row(LlmProvider.AWS, "Amazon Bedrock", "AWS_SECRET_ACCESS_KEY", "", "us.amazon.nova-lite-v1:0"),
        _row(LlmProvider.AZURE, "Azure OpenAI", "AZURE_OPENAI_API_KEY", "", "gpt-4.1"),
        _row(LlmProvider.CEREBRAS, "Cerebras", "CEREBRAS_API_KEY", "https://api.cerebras.ai/v1", "gpt-oss-120b"),
        _row(LlmProvider.DEEPSEEK, "DeepSeek", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1", "deepseek-flash"),
        _row(
            LlmProvider.FIREWORKS,
            "Fireworks",
            "FIREWORKS_API_KEY",
            "https://api.fireworks.ai/inference/v1",
            "accounts/fireworks/models/nemotron-3-ultra-nvfp4",
        ),
        _row(
            LlmProvider.GEMINI,
            "Google Gemini",
            "GOOGLE_API_KEY",
            "https://generativelanguage.googleapis.com",
            "gemini-3.6-flash",
        ),
        _row(LlmProvider.GROK, "xAI Grok", "XAI_API_KEY", "https://api.x.ai/v1", "grok-4.20-non-reasoning"),
        _row(LlmProvider.GROQ, "Groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1", "openai/gpt-oss-120b"),
        _row(LlmProvider.MISTRAL, "Mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1", "mistral-small-latest"),
        _row(
            LlmProvider.NVIDIA,
            "NVIDIA NIM",
            "NVIDIA_API_KEY",
            "https://integrate.api.nvidia.com/v1",
            "nvidia/nemotron-3.5-super",
        ),
        _row(LlmProvider.OLLAMA, "Ollama", "", "http://localhost:11434/v1", "llama2"),
        _row(
            LlmProvider.OPENROUTER,
            "OpenRouter",
            "OPENROUTER_API_KEY",
            "https://openrouter.ai/api/v1",
            "openai/gpt-4.1",
        ),
        _row(
            LlmProvider.PERPLEXITY,
            "Perplexity",
            "PERPLEXITY_API_KEY",
            "https://api.perplexity.ai/v1",
            "openai/gpt-5.6-luna",
        ),
        _row(
            LlmProvider.QWEN,
            "Qwen",
            "DASHSCOPE_API_KEY",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "qwen-plus",
        ),
        _row(
            LlmProvider.SAMBANOVA,
            "SambaNova",
            "SAMBANOVA_API_KEY",
            "https://api.sambanova.ai/v1",
            "Meta-Llama-3.3-70B-Instruct",
        ),
        _row(LlmProvider.TOGETHER, "Together AI", "TOGETHER_API_KEY", "https://api.together.xyz/v1", "zai-org/GLM-5.2"),
        ProviderRow(
            name=LlmProvider.DIALOGFLOW,
            label="Google Dialogflow",
            seat=Seat.LLM,
            key_variable="GOOGLE_APPLICATION_CREDENTIALS",
            base_url="https://dialogflow.googleapis.com",
            default_model="cx",
        ),
        ProviderRow(
            name=LlmProvider.SCRIPT,
            label="Script (embedded)",
            seat=Seat.LLM,
            factory="adapters.llm.embedded:build",
            default_model="receptionist",
            capabilities=_CHAT,
        ),
    ),
)
"""Every provider that ``engine_model`` may name."""
