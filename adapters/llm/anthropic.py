"""Anthropic's messages API (https://docs.anthropic.com/en/api/messages-streaming)."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.anthropic.llm import AnthropicLLMService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.requests import LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify


class AnthropicService(AnthropicLLMService):
    """Pipecat's service on the process's shared HTTP pool.

    A vendor that falls silent in mid-answer is an error frame of category ``CONNECTIVITY``; Pipecat's service only
    calls an event. The time until an answer begins is bounded by `VendorLimits.quiet_s`, retries included.

    Args:
        clients: The process's shared clients.
        base_url: The endpoint.
        **kwargs: Arguments of Pipecat's service.
    """

    def __init__(self, *, clients: SharedClients, base_url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clients = clients
        self._endpoint = base_url
        self._limits = clients.limits
        self.add_event_handler("on_completion_timeout", self._report_silence)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(anthropic, self._endpoint, "llm")

    async def _create_message_stream(self, api_call: Any, params: dict[str, Any]) -> Any:
        async with asyncio.timeout(self._limits.quiet_s):
            return await super()._create_message_stream(api_call, params)  # type: ignore[no-untyped-call]

    async def _report_silence(self, service: object) -> None:
        del service
        await self.push_error("LLM completion timeout", category=ErrorCategory.CONNECTIVITY)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def build(row: ProviderRow, request: LlmRequest) -> AnthropicService:
    """Make the service.

    Args:
        row: Anthropic's row.
        request: What to make it from.
    """
    del row
    key = request.credentials.key.get_secret_value()
    return AnthropicService(
        clients=request.clients,
        base_url=request.credentials.base_url,
        api_key=key,
        client=anthropic.AsyncAnthropic(
            api_key=key,
            base_url=request.credentials.base_url,
            http_client=request.clients.http(anthropic),
            max_retries=request.clients.limits.retries,
        ),
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=AnthropicService.Settings(model=request.model, system_instruction=request.system_instruction),
    )
