"""The embedded dialogue script as a row of the seat's table."""

from __future__ import annotations

from adapters.llm.script import ScriptLLMService
from adapters.requests import LlmRequest
from adapters.seats import ProviderRow


def build(row: ProviderRow, request: LlmRequest) -> ScriptLLMService:
    """Make the service.

    Args:
        row: The embedded script's row.
        request: What to make it from; the model is the script's name.

    Raises:
        InvalidField: There is no such script; names ``engine_model``.
    """
    del row
    return ScriptLLMService(
        model=request.model,
        system_instruction=request.system_instruction,
        function_call_timeout_secs=request.function_call_timeout_s,
    )
