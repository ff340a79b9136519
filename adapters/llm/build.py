"""Making the language-model service of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipecat.services.llm_service import LLMService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.table import LLM_TABLE
from adapters.seats import LlmRequest, resolve_credentials
from models.providers import EngineModel


def build_llm(
    engine: EngineModel,
    *,
    key: SecretStr,
    system_instruction: str,
    resources: SharedClients,
    environ: Mapping[str, str],
    function_call_timeout_s: float = 10.0,
) -> LLMService[Any]:
    """Make the service; no connection is opened yet.

    Args:
        engine: Provider and model.
        key: The AI's ``engine_key``; empty for the vendor's usual variable.
        system_instruction: The system prompt.
        resources: The process's shared clients.
        environ: Environment variables (keys and ``AICALL_BASE_URL_<PROVIDER>``).
        function_call_timeout_s: Longest a tool function may take, seconds.

    Raises:
        InvalidField: The provider cannot be used here, or its key is missing; names ``engine_model`` or ``engine_key``.
    """
    row = LLM_TABLE[engine.provider]
    make = row.load_factory()
    request = LlmRequest(
        model=engine.model,
        system_instruction=system_instruction,
        credentials=resolve_credentials(row, key, environ),
        clients=resources,
        function_call_timeout_s=function_call_timeout_s,
    )
    return cast("LLMService[Any]", make(row, request))
