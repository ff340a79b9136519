"""Google's Gemini (https://ai.google.dev/api/generate-content), with an API key."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import httpx
from google.genai.types import Content, HttpOptions, HttpRetryOptions
from pipecat.adapters.llm.services.gemini_adapter import GeminiLLMAdapter, GeminiLLMInvocationParams
from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.google.llm import GoogleLLMService
from pipecat.utils.errors import ErrorCategory

from adapters.clients import Sdk, SharedClients
from adapters.requests import LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify

_OPENED: ContextVar[list[httpx.Response] | None] = ContextVar("opened", default=None)
"""The responses that were begun for the answer under way."""


class _Pool(httpx.AsyncClient):
    """Keeps its own time-outs: the SDK takes those of a pool away, unless it may tell the vendor to give up as well."""

    def build_request(self, *args: Any, timeout: Any = None, **kwargs: Any) -> httpx.Request:
        if timeout is not None:
            kwargs["timeout"] = timeout
        return super().build_request(*args, **kwargs)

    async def send(self, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        response = await super().send(request, **kwargs)
        opened = _OPENED.get()
        if opened is not None:
            opened.append(response)
        return response


GENAI = cast(
    "Sdk",
    SimpleNamespace(__name__="google.genai", DefaultAsyncHttpxClient=_Pool, Timeout=httpx.Timeout),
)
"""The SDK as `SharedClients.http` takes it."""

_RETRIED = [408, 500, 502, 503, 504]
"""Statuses after which it is asked again. With 429 Google wants a pause of many seconds."""

_RETRY_WAIT_S = 0.5


class TurnsAdapter(GeminiLLMAdapter):
    """Pipecat's adapter, with one turn where the model said something and then called a tool.

    Gemini refuses a turn with calls that comes after another one of the model's.
    """

    async def get_llm_invocation_params(self, context: LLMContext, **kwargs: Any) -> GeminiLLMInvocationParams:
        """Turn a context into a request."""
        params = await super().get_llm_invocation_params(context, **kwargs)
        turns: list[Content] = []
        for turn in params["messages"]:
            if turns and turn.role == turns[-1].role == "model":
                turns[-1] = Content(role="model", parts=[*(turns[-1].parts or []), *(turn.parts or [])])
            else:
                turns.append(turn)
        params["messages"] = turns
        return params


class GeminiService(GoogleLLMService):
    """Pipecat's service on the process's shared HTTP pool.

    Each piece of an answer, the first one included, must come within `VendorLimits.quiet_s`. The model thinks as little
    as it can, since the caller waits meanwhile; Pipecat knows what that is for each model.

    Args:
        clients: The process's shared clients.
        base_url: The endpoint.
        api_key: The key.
        **kwargs: Arguments of Pipecat's service.
    """

    adapter_class = TurnsAdapter

    def __init__(self, *, clients: SharedClients, base_url: str, api_key: str, **kwargs: Any) -> None:
        super().__init__(
            api_key=api_key,
            http_options=http_options(clients, base_url, tries=1 + clients.limits.retries),
            stream_idle_timeout_secs=clients.limits.quiet_s,
            **kwargs,
        )
        self._clients = clients
        self._endpoint = base_url

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(GENAI, self._endpoint, "llm")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Process a frame; when an answer is over, for whatever reason, nothing of it is generated any more.

        The SDK's generators refer to themselves, so that an interrupted one closes its stream only when the garbage
        collector finds it.
        """
        if not isinstance(frame, LLMContextFrame):
            await super().process_frame(frame, direction)
            return
        opened: list[httpx.Response] = []
        before = _OPENED.set(opened)
        try:
            await super().process_frame(frame, direction)
        finally:
            _OPENED.reset(before)
            for response in opened:
                await response.aclose()

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def http_options(clients: SharedClients, base_url: str, *, tries: int) -> HttpOptions:
    """Make the options of an SDK's client that uses the process's pool and TLS context.

    A client then takes 2 ms to make and owns no socket.

    Args:
        clients: The process's shared clients.
        base_url: The endpoint.
        tries: How often a request is sent when it fails for a passing reason before its answer begins.
    """
    tls = {"verify": clients.ssl_context}
    return HttpOptions(
        base_url=base_url,
        httpx_async_client=clients.http(GENAI),
        # Else the SDK makes a TLS context for each of its other ways to connect, which nobody uses.
        client_args=tls,
        async_client_args=tls | {"ssl": clients.ssl_context},
        retry_options=HttpRetryOptions(
            attempts=tries,
            initial_delay=_RETRY_WAIT_S,
            max_delay=_RETRY_WAIT_S,
            http_status_codes=_RETRIED,
        ),
    )


def build(row: ProviderRow, request: LlmRequest) -> GeminiService:
    """Make the service.

    Args:
        row: Gemini's row.
        request: What to make it from.
    """
    del row
    return GeminiService(
        clients=request.clients,
        api_key=request.credentials.key.get_secret_value(),
        base_url=request.credentials.base_url,
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=GeminiService.Settings(model=request.model, system_instruction=request.system_instruction),
    )
