"""Amazon Bedrock's ConverseStream (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from pipecat.adapters.llm.base_llm_adapter import LLMContextConversionError
from pipecat.adapters.llm.services.bedrock_adapter import AWSBedrockLLMAdapter
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.utils.errors import ErrorCategory

from adapters.aws import AwsClient, aws_client
from adapters.requests import Credentials, LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify

_SERVICE = "bedrock-runtime"

_NO_TOOLS: Mapping[str, Any] = {
    "tools": [
        {
            "toolSpec": {
                "name": "no_operation",
                "description": "Does nothing. Never call it.",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            }
        }
    ]
}
"""Stands in for tools that are no longer offered: Bedrock refuses a conversation with calls of tools but no tools."""


class BedrockService(LLMService[AWSBedrockLLMAdapter]):
    """A model on Bedrock, through the process's shared client.

    Pipecat's service makes a client, and with it a TLS connection, for each answer and has no hook for that. Of it only
    the conversion of messages and tools is used.

    Failures are error frames with a category: a refused key is ``AUTHENTICATION`` and makes the service unusable;
    silence of `VendorLimits.quiet_s` and a lost connection are ``CONNECTIVITY``. An interruption closes the connection.

    Args:
        client: The shared client.
        credentials: What requests are signed with.
        quiet_s: Longest an answer may take to begin, retries included, seconds.
        settings: Model, system prompt and sampling.
        **kwargs: Arguments of Pipecat's base class.
    """

    Settings = LLMSettings
    adapter_class = AWSBedrockLLMAdapter

    def __init__(
        self, *, client: AwsClient, credentials: Credentials, quiet_s: float, settings: LLMSettings, **kwargs: Any
    ) -> None:
        effective = LLMSettings(
            model=None,
            system_instruction=None,
            temperature=None,
            max_tokens=None,
            top_p=None,
            top_k=None,
            frequency_penalty=None,
            presence_penalty=None,
            seed=None,
            filter_incomplete_user_turns=False,
            user_turn_completion_config=None,
        )
        effective.apply_update(settings)
        super().__init__(settings=effective, **kwargs)
        self._client = client
        self._credentials = credentials
        self._quiet_s = quiet_s

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        self._client.preconnect("llm")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self.start_processing_metrics()
            await self._answer(frame.context)
        except LLMContextConversionError as error:
            await self.push_error(
                "the conversation cannot be told to Bedrock", error, category=ErrorCategory.APPLICATION
            )
        except Exception as error:  # noqa: BLE001
            # What Amazon says of a wrong signature quotes the request, so nothing of it is logged.
            await self.push_error(f"Bedrock failed: {type(error).__name__}", error)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    async def run_inference(
        self,
        context: LLMContext,
        max_tokens: int | None = None,
        system_instruction: str | None = None,
        response_schema: dict[str, Any] | None = None,
    ) -> str | None:
        """Return the answer to a context, outside the pipeline; it calls nothing.

        Args:
            context: The conversation.
            max_tokens: Longest the answer may be, tokens; None for the settings'.
            system_instruction: System prompt; None for the settings'.
            response_schema: Not enforced: the API has none that all models obey.

        Returns:
            The text, or None when there is none.

        Raises:
            Exception: The vendor failed; of the SDK's own kinds.
        """
        del response_schema
        request = await self._request(context, max_tokens, system_instruction)
        async with aclosing(self._events(request)) as events:
            texts = [event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") async for event in events]
        return "".join(texts) or None

    async def _answer(self, context: LLMContext) -> None:
        await self.start_ttfb_metrics()
        request = await self._request(context, None, None)
        calls: dict[int, ToolCall] = {}
        async with aclosing(self._events(request)) as events:
            async for event in events:
                match event:
                    case {"contentBlockDelta": {"delta": {"text": text}}}:
                        await self.stop_ttfb_metrics()
                        await self._push_llm_text(text)
                    case {"contentBlockStart": {"start": {"toolUse": tool}, "contentBlockIndex": index}}:
                        await self.stop_ttfb_metrics()
                        await self.stop_ttfat_metrics()
                        calls[index] = ToolCall(tool["toolUseId"], tool["name"])
                    case {"contentBlockDelta": {"delta": {"toolUse": {"input": piece}}, "contentBlockIndex": index}}:
                        calls[index].arguments += piece
                    case {"metadata": {"usage": usage}}:
                        await self._report_usage(usage)
        if request.get("toolConfig") != _NO_TOOLS:
            await self.run_function_calls([call.made(context) for call in calls.values()])

    async def _request(
        self, context: LLMContext, max_tokens: int | None, system_instruction: str | None
    ) -> dict[str, Any]:
        settings: Any = self._settings
        parts = await self.get_llm_adapter().get_llm_invocation_params(
            context,
            system_instruction=system_instruction or settings.system_instruction,
            ensure_last_message_is_user=True,
        )
        messages = parts["messages"]
        if not messages or messages[0]["role"] != "user":
            # Bedrock refuses a conversation that the caller does not begin, as when the bot greets.
            messages = [{"role": "user", "content": [{"text": "."}]}, *messages]
        request: dict[str, Any] = {"modelId": settings.model, "messages": messages}
        if parts["system"]:
            request["system"] = parts["system"]
        sampling = {
            "maxTokens": max_tokens or settings.max_tokens,
            "temperature": settings.temperature,
            "topP": settings.top_p,
        }
        given = {name: value for name, value in sampling.items() if value is not None}
        if given:
            request["inferenceConfig"] = given
        tools = _tool_config(parts["tools"], parts["tool_choice"], messages)
        if tools:
            request["toolConfig"] = tools
        return request

    async def _events(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async with asyncio.timeout(self._quiet_s):
            response = await self._client.ask(self._credentials, "converse_stream", request)
        stream = response["stream"]
        ended = False
        try:
            async with aclosing(aiter(stream)) as events:
                async for event in events:
                    ended = ended or "messageStop" in event
                    yield event
        finally:
            # Of a stream that was read to its end, this leaves the connection open.
            stream.close()
        if not ended:
            raise ConnectionError("the answer broke off")

    async def _report_usage(self, usage: dict[str, int]) -> None:
        await self.start_llm_usage_metrics(
            LLMTokenUsage(
                prompt_tokens=usage["inputTokens"],
                completion_tokens=usage["outputTokens"],
                total_tokens=usage["totalTokens"],
                cache_read_input_tokens=usage.get("cacheReadInputTokens"),
                cache_creation_input_tokens=usage.get("cacheWriteInputTokens"),
            )
        )

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


class ToolCall:
    """A call of a tool while it is streamed."""

    def __init__(self, call_id: str, name: str) -> None:
        self.call_id = call_id
        self.name = name
        self.arguments = ""

    def made(self, context: LLMContext) -> FunctionCallFromLLM:
        """Return the call.

        Raises:
            ValueError: Its arguments are no JSON object.
        """
        arguments = json.loads(self.arguments or "{}") or {}
        if not isinstance(arguments, dict):
            raise ValueError("the arguments of a tool call are no JSON object")
        return FunctionCallFromLLM(
            function_name=self.name, tool_call_id=self.call_id, arguments=arguments, context=context
        )


def _tool_config(tools: list[dict[str, Any]], choice: Any, messages: list[dict[str, Any]]) -> Mapping[str, Any] | None:
    for tool in tools:
        if not tool["toolSpec"]["description"]:
            # An empty one is refused.
            del tool["toolSpec"]["description"]
    if not tools:
        used = any(block.keys() & {"toolUse", "toolResult"} for message in messages for block in message["content"])
        return _NO_TOOLS if used else None
    config: dict[str, Any] = {"tools": tools}
    match choice:
        case "auto":
            config["toolChoice"] = {"auto": {}}
        case "required":
            config["toolChoice"] = {"any": {}}
        case {"function": {"name": name}}:
            config["toolChoice"] = {"tool": {"name": name}}
    return config


def build(row: ProviderRow, request: LlmRequest) -> BedrockService:
    """Make the service.

    Args:
        row: Bedrock's row.
        request: What to make it from.
    """
    del row
    quiet_s = request.clients.limits.quiet_s
    return BedrockService(
        client=aws_client(_SERVICE, request.credentials, request.options, request.clients, quiet_s),
        credentials=request.credentials,
        quiet_s=quiet_s,
        function_call_timeout_secs=request.function_call_timeout_s,
        settings=LLMSettings(model=request.model, system_instruction=request.system_instruction),
    )
