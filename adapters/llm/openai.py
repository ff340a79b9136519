"""OpenAI, and whoever speaks its chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionChunk
from pipecat.adapters.llm.services.open_ai_adapter import OpenAILLMInvocationParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.llm.chat_stream import ChatStream
from adapters.llm.dialects import REASONING_EFFORT, OpenAiDialect, dialect_of
from adapters.llm.openai_client import make_client, request_headers
from adapters.requests import Credentials, LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify


class OpenAiLlmService(OpenAILLMService):
    """Pipecat's service on the process's shared HTTP pool, in the dialect of a vendor.

    Failures are error frames pushed upstream, with a category: a refused key is ``AUTHENTICATION`` and makes the
    service unusable; silence of `VendorLimits.quiet_s`, a lost connection and an answer that breaks off are
    ``CONNECTIVITY``; what makes no sense, such as arguments of a tool call that are no JSON, is ``SERVER``.

    Args:
        clients: The process's shared clients.
        credentials: Key, which may be empty, and endpoint.
        dialect: The vendor's.
        options: The row's options.
        **kwargs: Arguments of Pipecat's service.
    """

    def __init__(
        self,
        *,
        clients: SharedClients,
        credentials: Credentials,
        dialect: OpenAiDialect,
        options: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        # The base class makes its client within its constructor.
        self._clients = clients
        self._credentials = credentials
        self._dialect = dialect
        self._extra_body = dialect.body(options)
        self._effort = options.get(REASONING_EFFORT, "")
        self.supports_developer_role = dialect.developer_role
        super().__init__(base_url=dialect.endpoint(credentials.base_url), **kwargs)

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(openai, self._dialect.endpoint(self._credentials.base_url), "llm")

    def create_client(
        self,
        api_key: Any = None,
        base_url: Any = None,
        organization: Any = None,
        project: Any = None,
        default_headers: Any = None,
        **kwargs: Any,
    ) -> openai.AsyncOpenAI:
        """Make the SDK's client; it owns no socket. What it is made from was given to the constructor."""
        del api_key, base_url, organization, project, default_headers, kwargs
        return make_client(self._credentials, self._clients, self._dialect, retries=self._clients.limits.retries)

    def build_chat_completion_params(self, params_from_context: OpenAILLMInvocationParams) -> dict[str, Any]:
        """Make a request's parameters in the vendor's dialect.

        Args:
            params_from_context: Messages and tools.
        """
        params = super().build_chat_completion_params(params_from_context)
        if self._extra_body:
            params["extra_body"] = {**self._extra_body, **params.get("extra_body", {})}
        if self._effort:
            params.setdefault("reasoning_effort", self._effort)
        params["extra_headers"] = request_headers(self._credentials, self._dialect)
        return self._dialect.adapt(params)

    async def get_chat_completions(self, context: LLMContext) -> openai.AsyncStream[ChatCompletionChunk]:
        """Ask for an answer.

        Raises:
            TimeoutError: None began within `VendorLimits.quiet_s`, retries included.
        """
        quiet_s = self._clients.limits.quiet_s
        async with asyncio.timeout(quiet_s):
            stream = await super().get_chat_completions(context)
        tidy = ChatStream(stream, quiet_s=quiet_s, reasoning_apart=self._dialect.reasoning_apart)
        # The service iterates over the stream and closes it, nothing else.
        return cast("openai.AsyncStream[ChatCompletionChunk]", tidy)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def build(row: ProviderRow, request: LlmRequest) -> OpenAiLlmService:
    """Make the service of a row.

    Args:
        row: OpenAI's row, or the one of a compatible provider.
        request: What to make it from.
    """
    return OpenAiLlmService(
        clients=request.clients,
        credentials=request.credentials,
        dialect=dialect_of(row.name, request.options),
        options=request.options,
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=OpenAiLlmService.Settings(model=request.model, system_instruction=request.system_instruction),
    )
