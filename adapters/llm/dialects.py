"""What the vendors that speak OpenAI's chat completions do differently, one `OpenAiDialect` each.

Sources: the vendors' documents, named beside each entry, and Pipecat's class for each vendor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from openai import NotGiven, Omit

Messages = list[dict[str, Any]]

THINKING = "thinking"
REASONING_EFFORT = "reasoning_effort"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiDialect:
    """How a vendor's requests differ from OpenAI's.

    Attributes:
        path: What the endpoint must end with; appended to one that does not.
        key_header: Header that carries the key; '' for ``Authorization: Bearer``.
        headers: Further headers of every request.
        organization: Whether ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID`` are meant for this vendor.
        developer_role: Whether messages may have the role ``developer``; else they are sent as the user's.
        refuses: Parameters of OpenAI's that the vendor refuses, or ignores where another name is right.
        renames: Parameters that have another name.
        extra_body: Fields of the request that OpenAI does not have.
        switches: For options of the row: what each value adds to ``extra_body``.
        messages: What must be done to the conversation besides; None for nothing.
        reasoning_apart: Whether the vendor counts reasoning beside ``completion_tokens`` and not within.
    """

    path: str = ""
    key_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    organization: bool = False
    developer_role: bool = False
    refuses: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    messages: Callable[[Messages], Messages] | None = None
    reasoning_apart: bool = False

    def endpoint(self, base_url: str) -> str:
        """Return an endpoint with the vendor's path."""
        base_url = base_url.rstrip("/")
        return base_url if base_url.endswith(self.path) else base_url + self.path

    def body(self, options: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields beyond OpenAI's, with those of the row's options."""
        chosen = (values.get(options.get(name, ""), {}) for name, values in self.switches.items())
        merged = dict(self.extra_body)
        for fields in chosen:
            merged |= fields
        return merged

    def adapt(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters of a request, made for OpenAI, as this vendor takes them.

        Args:
            params: Arguments of the SDK's ``chat.completions.create``.
        """
        given = {name: it for name, it in params.items() if it is not None and not isinstance(it, NotGiven | Omit)}
        adapted = {name: it for name, it in given.items() if name not in self.refuses and name not in self.renames}
        if self.messages is not None:
            adapted["messages"] = self.messages([dict(message) for message in adapted["messages"]])
        # The SDK takes names that OpenAI does not have as part of the extra body only.
        renamed = {new: given[name] for name, new in self.renames.items() if name in given}
        if renamed:
            adapted["extra_body"] = {**adapted.get("extra_body", {}), **renamed}
        return adapted


def one_system_message(messages: Messages) -> Messages:
    """Make every system message behind the first one the user's: some models refuse a second one.

    Args:
        messages: The conversation in OpenAI's form.
    """
    seen = False
    for message in messages:
        if message["role"] == "system":
            message["role"] = "user" if seen else "system"
            seen = True
    return messages


def mistral_history(messages: Messages) -> Messages:
    """Make a conversation one that Mistral accepts.

    System messages stand at the beginning only. A user's message does not follow a tool's result directly. An answer
    that stands last is marked as one to go on with. Ids of tool calls have nine letters and digits, so those of another
    vendor that answered before become such.

    Args:
        messages: The conversation in OpenAI's form.

    Source: https://docs.mistral.ai/api/#tag/chat, https://docs.mistral.ai/capabilities/function_calling/
    """
    fitting: Messages = []
    for message in messages:
        if message["role"] == "system" and any(it["role"] != "system" for it in fitting):
            message["role"] = "user"
        if message["role"] == "user" and fitting and fitting[-1]["role"] == "tool":
            fitting.append({"role": "assistant", "content": " "})
        if message.get("tool_calls"):
            message["tool_calls"] = [call | {"id": _mistral_id(call["id"])} for call in message["tool_calls"]]
        if message["role"] == "tool":
            message["tool_call_id"] = _mistral_id(message["tool_call_id"])
        fitting.append(message)
    if fitting and fitting[-1]["role"] == "assistant":
        fitting[-1]["prefix"] = True
    return fitting


def _mistral_id(call_id: str) -> str:
    if re.fullmatch(r"[a-zA-Z0-9]{9}", call_id):
        return call_id
    return sha256(call_id.encode()).hexdigest()[:9]


COMPATIBLE = OpenAiDialect()
"""Any server that speaks chat completions, known to none (vLLM, llama.cpp, LM Studio, a gateway)."""

DIALECTS: Mapping[str, OpenAiDialect] = {
    # https://platform.openai.com/docs/api-reference/chat/create
    "openai": OpenAiDialect(organization=True, developer_role=True),
    # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
    "azure": OpenAiDialect(path="/openai/v1", key_header="api-key", developer_role=True),
    # https://inference-docs.cerebras.ai/resources/openai
    "cerebras": OpenAiDialect(refuses=frozenset({"frequency_penalty", "presence_penalty"})),
    # https://api-docs.deepseek.com/api/create-chat-completion. Its models think first unless told not to, and a caller
    # hears nothing meanwhile.
    "deepseek": OpenAiDialect(
        refuses=frozenset({"seed", "service_tier"}),
        renames={"max_completion_tokens": "max_tokens"},
        extra_body={"thinking": {"type": "disabled"}},
        switches={THINKING: {"enabled": {"thinking": {"type": "enabled"}}}},
    ),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions: usage comes with the last chunk unasked.
    "fireworks": OpenAiDialect(
        refuses=frozenset({"stream_options", "seed", "service_tier"}), renames={"max_completion_tokens": "max_tokens"}
    ),
    # https://docs.x.ai/docs/api-reference#chat-completions
    "grok": OpenAiDialect(developer_role=True, reasoning_apart=True),
    # https://console.groq.com/docs/openai
    "groq": OpenAiDialect(developer_role=True),
    # https://docs.mistral.ai/api/#tag/chat: answers 422 to every field that it does not know.
    "mistral": OpenAiDialect(
        refuses=frozenset({"stream_options", "service_tier"}),
        renames={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        messages=mistral_history,
    ),
    # https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html
    "nvidia": OpenAiDialect(),
    # https://docs.ollama.com/api/openai-compatibility
    "ollama": OpenAiDialect(),
    # https://openrouter.ai/docs/app-attribution; a second system message is refused by some of the models behind it.
    "openrouter": OpenAiDialect(headers={"X-Title": "AIcall"}, messages=one_system_message),
    # https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
    "qwen": OpenAiDialect(
        switches={THINKING: {"enabled": {"enable_thinking": True}, "disabled": {"enable_thinking": False}}}
    ),
    # https://docs.sambanova.ai/docs/en/features/openai-compatibility
    "sambanova": OpenAiDialect(refuses=frozenset({"service_tier"})),
    # https://docs.together.ai/reference/chat-completions-1
    "together": OpenAiDialect(
        switches={
            THINKING: {"enabled": {"reasoning": {"enabled": True}}, "disabled": {"reasoning": {"enabled": False}}}
        }
    ),
}
"""By the name of the row."""


def dialect_of(name: str, options: Mapping[str, str]) -> OpenAiDialect:
    """Return the dialect of a row's vendor.

    Args:
        name: Name of the row.
        options: The row's options: whoever stands behind an endpoint of one's own need not be OpenAI.
    """
    return COMPATIBLE if name == "openai" and options.get("base_url") else DIALECTS[name]
