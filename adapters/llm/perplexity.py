"""Perplexity's agent API (https://docs.perplexity.ai/api-reference/agent-post), over OpenAI's Responses protocol.

Pipecat has a class for it, which runs a tool without arguments when those are no JSON, reports a failed answer without
a category and takes its HTTP client by no public hook; this one stands on Pipecat's adapter for the protocol.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import openai
from openai.types.responses import ResponseStreamEvent, ResponseUsage
from pipecat.adapters.llm.services.open_ai_responses_adapter import OpenAIResponsesLLMAdapter
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.llm.chat_stream import parsed
from adapters.llm.openai_client import make_client
from adapters.requests import Credentials, LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify

_CITATION = re.compile(r"\[(?:[a-z]{1,8}:)?\d{1,4}\]")
_BEGUN_CITATION = re.compile(r"\[(?:[a-z]{0,8}|[a-z]{1,8}:\d{0,4}|\d{1,4})\Z")


class Uncited:
    """Takes text piece by piece and leaves out marks of sources, such as ``[1]`` or ``[web:2]``, which nobody says."""

    def __init__(self) -> None:
        self._held = ""

    def visible(self, piece: str) -> str:
        """Return what can be said now; '' for nothing yet."""
        text = _CITATION.sub("", self._held + piece)
        begun = _BEGUN_CITATION.search(text)
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return text[:end]

    def rest(self) -> str:
        """Return what was held back when the text has ended."""
        held, self._held = self._held, ""
        return held


class PerplexityService(LLMService[OpenAIResponsesLLMAdapter]):
    """One streamed request per answer, on the process's shared HTTP pool. Failures as `OpenAiLlmService`.

    Args:
        clients: The process's shared clients.
        credentials: Key and endpoint.
        preset: Perplexity's configuration of search and reasoning; '' for none, and so without a search.
        **kwargs: Arguments of Pipecat's base class.
    """

    adapter_class = OpenAIResponsesLLMAdapter

    def __init__(self, *, clients: SharedClients, credentials: Credentials, preset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clients = clients
        self._endpoint = credentials.base_url
        self._preset = preset
        self._client = make_client(credentials, clients, retries=clients.limits.retries)

    def can_generate_metrics(self) -> bool:
        """Times and tokens are measured."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._clients.preconnect(openai, self._endpoint, "llm")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer to a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_processing_metrics()
        try:
            await self._answer(frame.context)
        except Exception as error:  # noqa: BLE001
            await self.push_error(f"Error during completion: {error}", exception=error)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    async def _answer(self, context: LLMContext) -> None:
        parameters = await self._parameters(context)
        await self.start_ttfb_metrics()
        quiet_s = self._clients.limits.quiet_s
        async with asyncio.timeout(quiet_s):
            stream = cast(
                "openai.AsyncStream[ResponseStreamEvent]",
                await self._client.responses.create(**parameters, stream=True),
            )
        calls: list[FunctionCallFromLLM] = []
        text = Uncited()
        finished = False
        async with stream, aclosing(_in_time(stream, quiet_s)) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    await self._say(text.visible(event.delta))
                elif event.type == "response.output_item.done" and event.item.type == "function_call":
                    # A search that the vendor runs itself is announced as a call, and done as something else.
                    arguments = parsed(event.item.arguments)
                    calls.append(FunctionCallFromLLM(event.item.name, event.item.call_id, arguments, context))
                elif event.type in ("response.completed", "response.incomplete"):
                    finished = True
                    await self._count(event.response.usage)
                elif event.type in ("response.failed", "error"):
                    raise openai.APIError("the answer failed", stream.response.request, body=None)
        if not finished:
            raise ConnectionError("the answer broke off")
        await self._say(text.rest())
        await self.run_function_calls(calls)

    async def _parameters(self, context: LLMContext) -> dict[str, Any]:
        invocation = await self.get_llm_adapter().get_llm_invocation_params(
            context, system_instruction=self._settings.system_instruction or None
        )
        given = {name: it for name, it in invocation.items() if not isinstance(it, openai.NotGiven | openai.Omit)}
        body = {"preset": self._preset} if self._preset else {}
        return {"model": self._settings.model, **given, "extra_body": body}

    async def _say(self, text: str) -> None:
        if text:
            await self.stop_ttfb_metrics()
            await self.push_frame(LLMTextFrame(text))

    async def _count(self, usage: ResponseUsage | None) -> None:
        if usage is None:
            return
        cached = usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None
        tokens = LLMTokenUsage(
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            total_tokens=usage.total_tokens,
            cache_read_input_tokens=cached,
        )
        await self.start_llm_usage_metrics(tokens)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


async def _in_time(
    stream: openai.AsyncStream[ResponseStreamEvent], quiet_s: float
) -> AsyncGenerator[ResponseStreamEvent, None]:
    async with aclosing(cast("AsyncGenerator[ResponseStreamEvent, None]", aiter(stream))) as events:
        while True:
            try:
                async with asyncio.timeout(quiet_s):
                    event = await anext(events)
            except StopAsyncIteration:
                return
            yield event


def build(row: ProviderRow, request: LlmRequest) -> PerplexityService:
    """Make the service.

    Args:
        row: Perplexity's row.
        request: What to make it from.
    """
    del row
    return PerplexityService(
        clients=request.clients,
        credentials=request.credentials,
        preset=request.options.get("preset", ""),
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=LLMSettings(
            model=request.model,
            system_instruction=request.system_instruction,
            temperature=None,
            max_tokens=None,
            top_p=None,
            top_k=None,
            frequency_penalty=None,
            presence_penalty=None,
            seed=None,
            filter_incomplete_user_turns=False,
            user_turn_completion_config=None,
        ),
    )
