"""Anthropic's messages API (https://docs.anthropic.com/en/api/messages-streaming)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anthropic
from anthropic.types.beta import BetaRawMessageDeltaEvent, BetaRawMessageStreamEvent
from anthropic.types.beta.beta_raw_message_delta_event import Delta
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
            stream = await super()._create_message_stream(api_call, params)  # type: ignore[no-untyped-call]
        return _each_call_ended(stream)

    async def _report_silence(self, service: object) -> None:
        del service
        await self.push_error("LLM completion timeout", category=ErrorCategory.CONNECTIVITY)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


async def _each_call_ended(
    stream: anthropic.AsyncStream[BetaRawMessageStreamEvent],
) -> AsyncGenerator[BetaRawMessageStreamEvent, None]:
    """Say before each further tool call of an answer that the model stopped for the one before.

    Pipecat's service makes a call of what it has when the model stops, and hence of the last one only.
    """
    no_usage: Any = None
    stopped = BetaRawMessageDeltaEvent.model_construct(
        type="message_delta", delta=Delta.model_construct(stop_reason="tool_use"), usage=no_usage
    )
    calls = 0
    async with stream:
        async for event in stream:
            if event.type == "content_block_start" and event.content_block.type == "tool_use":
                calls += 1
                if calls > 1:
                    yield stopped
            yield event


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
