"""What the vendors that speak OpenAI's chat completions take and send differently: rules for `OpenAIStandIn`.

Written after the documents named beside each vendor, and after what Pipecat's class for it avoids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.base import HttpError

OPENAI_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
PLAIN_ROLES = OPENAI_ROLES - {"developer"}

_SAMPLING = {"temperature", "top_p", "max_tokens", "stop", "n", "response_format"}
_BASIC = {"model", "messages", "stream", "tools", "tool_choice", "parallel_tool_calls"} | _SAMPLING

ErrorBody = Callable[[int, str, str, str | None], Any]


def _named(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _flat(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"message": message, "type": kind, "param": "", "code": code}


def _numbered(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"error": {"message": message, "code": status}}


def _worded(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"code": kind, "error": message}


def _azure(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"error": {"code": str(status), "message": message}}


def _problem(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"type": "about:blank", "status": status, "title": kind, "detail": message}


def _mistral(status: int, message: str, kind: str, code: str | None) -> Any:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a vendor differs from OpenAI.

    Attributes:
        prefix: Path before ``/chat/completions`` and ``/models``.
        base_path: Path in the URL that an operator gives.
        key_header: Header of the key; '' for ``Authorization: Bearer``.
        keyless: Whether a request without a key is served.
        bad_key_status: HTTP status for a wrong key.
        open_models: Whether the list of models needs no key.
        bare_models: Whether the list of models is a bare list.
        roles: Roles that messages may have.
        fields: The only fields that a request may have; None for any.
        refused: Fields that a request must not have.
        refusal_status: HTTP status for a field that is refused.
        check_history: What else is checked of the messages.
        tool_calls: ``pieces``; ``whole`` for all in one chunk; ``unnumbered`` and ``same`` for an index left out or 0.
        usage: ``asked`` for a chunk of its own where the request asks; ``last`` for the last chunk in any case.
        reasoning_apart: Whether reasoning is counted beside ``completion_tokens``.
        comment: Comment that is sent before every event, and while there is nothing to say.
        thinks: Whether an answer begins with ``reasoning_content``, by the request's body.
        error: The document of an error, from status, message, type and code.
    """

    prefix: str = "/v1"
    base_path: str | None = None
    key_header: str = ""
    keyless: bool = False
    bad_key_status: int = 401
    open_models: bool = False
    bare_models: bool = False
    roles: frozenset[str] = PLAIN_ROLES
    fields: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    refusal_status: int = 400
    check_history: Callable[[list[dict[str, Any]]], None] = field(default=lambda _messages: None)
    tool_calls: str = "pieces"
    usage: str = "asked"
    reasoning_apart: bool = False
    comment: bytes = b""
    thinks: Callable[[Mapping[str, Any]], bool] = field(default=lambda _body: False)
    error: ErrorBody = _named

    def check(self, body: Mapping[str, Any]) -> None:
        """Refuse what the vendor would.

        Raises:
            HttpError: With the vendor's status.
        """
        for name in body:
            if name in self.refused or (self.fields is not None and name not in self.fields):
                raise HttpError(self.refusal_status, f"Extra inputs are not permitted: {name}", param=name)
        messages = [message for message in body.get("messages") or [] if isinstance(message, dict)]
        for index, message in enumerate(messages):
            if message.get("role") not in self.roles:
                raise HttpError(400, f"messages[{index}].role: '{message.get('role')}' is not one of the roles")
        self.check_history(messages)


def check_mistral_history(messages: list[dict[str, Any]]) -> None:
    """Refuse a conversation in the wrong order (https://docs.mistral.ai/capabilities/function_calling/).

    Raises:
        HttpError: With status 400.
    """
    for before, message in zip([None, *messages], messages, strict=False):
        role, last = message["role"], before["role"] if before else ""
        if role == "system" and last not in ("", "system"):
            raise HttpError(400, f"Unexpected role 'system' after role '{last}'", code="invalid_request_message_order")
        if role == "user" and last == "tool":
            raise HttpError(400, "Unexpected role 'user' after role 'tool'", code="invalid_request_message_order")
        ids = [call.get("id") for call in message.get("tool_calls") or []]
        ids += [message.get("tool_call_id")] if role == "tool" else []
        if not all(re.fullmatch(r"[a-zA-Z0-9]{9}", str(it)) for it in ids):
            raise HttpError(400, "Tool call id must be a-z, A-Z, 0-9, with a length of 9.")
    if messages and messages[-1]["role"] == "assistant" and not messages[-1].get("prefix"):
        raise HttpError(400, "Expected last role User or Tool (or Assistant with prefix True) for serving")


def check_one_system_message(messages: list[dict[str, Any]]) -> None:
    """Refuse a system message that is not the first message, as chat templates of many open models do.

    Raises:
        HttpError: With status 400.
    """
    if any(message["role"] == "system" for message in messages[1:]):
        raise HttpError(400, "System message must be at the beginning.")


def _deepseek_thinks(body: Mapping[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") != "disabled"


OPENAI = Rules(roles=OPENAI_ROLES)

RULES: Mapping[str, Rules] = {
    # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
    "azure": Rules(prefix="/openai/v1", base_path="", key_header="api-key", roles=OPENAI_ROLES, error=_azure),
    # https://inference-docs.cerebras.ai/api-reference/chat-completions
    "cerebras": Rules(refused=frozenset({"frequency_penalty", "presence_penalty", "logit_bias"}), error=_flat),
    # https://api-docs.deepseek.com/api/create-chat-completion, https://api-docs.deepseek.com/quick_start/rate_limit
    "deepseek": Rules(
        refused=frozenset({"seed", "max_completion_tokens"}), comment=b": keep-alive\n\n", thinks=_deepseek_thinks
    ),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions
    "fireworks": Rules(
        prefix="/inference/v1",
        refused=frozenset({"stream_options", "seed", "max_completion_tokens", "service_tier"}),
        usage="last",
    ),
    # https://docs.x.ai/docs/api-reference#chat-completions: a wrong key is a 400.
    "grok": Rules(roles=OPENAI_ROLES, bad_key_status=400, error=_worded, reasoning_apart=True),
    # https://console.groq.com/docs/openai
    "groq": Rules(
        prefix="/openai/v1", roles=OPENAI_ROLES, refused=frozenset({"logprobs", "logit_bias", "top_logprobs"})
    ),
    # https://docs.mistral.ai/api/#tag/chat
    "mistral": Rules(
        fields=frozenset(
            _BASIC | {"random_seed", "safe_prompt", "presence_penalty", "frequency_penalty", "prompt_mode"}
        ),
        refusal_status=422,
        check_history=check_mistral_history,
        tool_calls="whole",
        usage="last",
        error=_mistral,
    ),
    # https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html
    "nvidia": Rules(open_models=True, check_history=check_one_system_message, error=_problem),
    # https://docs.ollama.com/api/openai-compatibility
    "ollama": Rules(keyless=True, tool_calls="same"),
    # https://openrouter.ai/docs/api-reference/streaming, https://openrouter.ai/docs/api-reference/errors
    "openrouter": Rules(
        prefix="/api/v1",
        open_models=True,
        check_history=check_one_system_message,
        comment=b": OPENROUTER PROCESSING\n\n",
        error=_numbered,
    ),
    # https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope
    "qwen": Rules(prefix="/compatible-mode/v1"),
    # https://docs.sambanova.ai/docs/en/features/openai-compatibility
    "sambanova": Rules(open_models=True, refused=frozenset({"service_tier"}), tool_calls="unnumbered"),
    # https://docs.together.ai/reference/chat-completions-1, https://docs.together.ai/reference/models-1
    "together": Rules(bare_models=True),
}
"""By the vendor's name in the table."""
