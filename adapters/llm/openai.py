"""OpenAI, and whoever speaks its chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from openai.types.chat import ChatCompletionChunk
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.requests import LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify


class OpenAiLlmService(OpenAILLMService):
    """Pipecat's service on the process's shared HTTP pool.

    Failures are error frames pushed upstream, with a category: a refused key is ``AUTHENTICATION`` and makes the
    service unusable; silence of `VendorLimits.quiet_s` and a lost connection are ``CONNECTIVITY``.

    Args:
        clients: The process's shared clients.
        base_url: The endpoint.
        **kwargs: Arguments of Pipecat's service.
    """

    def __init__(self, *, clients: SharedClients, base_url: str, **kwargs: Any) -> None:
        # The base class makes its client within its constructor.
        self._clients = clients
        self._endpoint = base_url
        super().__init__(base_url=base_url, **kwargs)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(openai, self._endpoint, "llm")

    def create_client(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Any = None,
        **kwargs: Any,
    ) -> openai.AsyncOpenAI:
        """Make the SDK's client; it owns no socket."""
        del kwargs
        return openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            organization=organization,
            project=project,
            default_headers=default_headers,
            http_client=self._clients.http(openai),
            max_retries=self._clients.limits.retries,
        )

    async def get_chat_completions(self, context: LLMContext) -> openai.AsyncStream[ChatCompletionChunk]:
        """Ask for an answer.

        Raises:
            TimeoutError: None began within `VendorLimits.quiet_s`, retries included.
        """
        async with asyncio.timeout(self._clients.limits.quiet_s):
            return await super().get_chat_completions(context)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def build(row: ProviderRow, request: LlmRequest) -> OpenAiLlmService:
    """Make the service of a row.

    Args:
        row: OpenAI's row, or the one of a compatible provider.
        request: What to make it from.
    """
    del row
    return OpenAiLlmService(
        clients=request.clients,
        api_key=request.credentials.key.get_secret_value(),
        base_url=request.credentials.base_url,
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=OpenAiLlmService.Settings(model=request.model, system_instruction=request.system_instruction),
    )
