"""Making the language-model service of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipecat.services.llm_service import LLMService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.credentials import resolve_credentials, resolve_options
from adapters.llm.table import LLM_TABLE
from adapters.requests import LlmRequest
from models.providers import EngineModel


def build_llm(
    engine: EngineModel,
    *,
    key: SecretStr,
    system_instruction: str,
    resources: SharedClients,
    environ: Mapping[str, str],
    function_call_timeout_s: float = 10.0,
    options: Mapping[str, str] | None = None,
    session_id: str = "",
    language: str = "",
    variables: Mapping[str, str] | None = None,
) -> LLMService[Any]:
    """Make the service; no connection is opened yet.

    Args:
        engine: Provider and model.
        key: The AI's ``engine_key``; empty for the vendor's usual variable.
        system_instruction: The system prompt.
        resources: The process's shared clients.
        environ: Environment variables (keys and ``AICALL_BASE_URL_<PROVIDER>``).
        function_call_timeout_s: Longest a tool function may take, seconds.
        options: The AI's ``parameter.llm_options``.
        session_id: The AIcall, for vendors that keep the conversation themselves.
        language: BCP 47 tag of the call, '' for the vendor's default.
        variables: What ``${name}`` stands for in the call, for vendors that keep the conversation themselves.

    Raises:
        InvalidField: The provider cannot be used here, or its key or an option is missing or wrong; names
            ``engine_model``, ``engine_key`` or ``parameter.llm_options.…``.
    """
    row = LLM_TABLE[engine.provider]
    row.require_usable(environ)
    make = row.load_factory()
    resolved = resolve_options(row, options or {}, environ)
    request = LlmRequest(
        model=engine.model,
        system_instruction=system_instruction,
        credentials=resolve_credentials(row, key, environ, resolved),
        clients=resources,
        function_call_timeout_s=function_call_timeout_s,
        options=resolved,
        session_id=session_id,
        language=language,
        variables=variables or {},
    )
    return cast("LLMService[Any]", make(row, request))
