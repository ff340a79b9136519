"""Google Dialogflow in the seat of the language model: an agent that keeps the conversation itself.

What each of its two APIs is asked stands in `adapters.llm.dialogflow_cx` and `adapters.llm.dialogflow_es`.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from google.api_core.exceptions import from_grpc_error
from google.api_core.gapic_v1 import routing_header
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from grpc.aio import AioRpcError  # type: ignore[import-untyped]
from loguru import logger
from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    AggregatedTextFrame,
    EagerEndOfTurnCancelFrame,
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.utils.errors import ErrorCategory
from pipecat.utils.text.base_text_aggregator import TextType

from adapters.clients import SharedClients
from adapters.google_cloud import GoogleApi, google_api
from adapters.llm.dialogflow_cx import CxApi
from adapters.llm.dialogflow_es import EsApi
from adapters.llm.dialogflow_session import (
    AUDIENCE,
    AgentApi,
    AgentCall,
    AgentInput,
    AgentReply,
    Event,
    Keys,
    ToolDone,
    Words,
    agent_name,
    handoff_arguments,
    regional,
    result_of,
    session_parameters,
)
from adapters.requests import Credentials, LlmRequest
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify
from models.prompts import CALL_CONNECTED, CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED

ES = "es"
"""The model whose agents are of Dialogflow ES; those of the other one are of CX."""

_DEFAULT_LANGUAGE = "en"

_KEYS = re.compile(r"DTMF: ([0-9*#]*?)([*#]?)")
"""What Pipecat's ``DTMFAggregator`` makes of keys, the one that ended the entry included."""

_UNKNOWN_CALLS = 5
"""How often an agent is told within an answer that there is no tool such as it calls; it may insist."""

_SILENT = frozenset({CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED})
"""What a model is told when the caller said nothing, or nothing that could be understood."""

_IN_PROGRESS = "IN_PROGRESS"
"""What Pipecat's context holds in place of a result that is not there yet."""

_WELCOME = "WELCOME"
"""The event that begins a conversation (https://cloud.google.com/dialogflow/es/docs/events-platform)."""

_REPEATED = frozenset({"INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED"})
"""Statuses with which a request is repeated; the others would come again, or the agent may have taken its turn."""

_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How a call goes with an agent.

    Attributes:
        parameters: What the agent is told of the call with the first request.
        opening: What is said to the agent when the bot is to speak first.
        handoff_target: ``TYPE:TARGET`` of who takes over where the agent does not say; '' for nobody.
    """

    parameters: Mapping[str, Any]
    opening: AgentInput
    handoff_target: str = ""


@dataclass(slots=True)
class _Turn:
    """What was last said to the agent, and what came of it.

    Attributes:
        key: The message that it answers: its place in the context and its text.
        texts: What the agent answered.
        acted: Whether the agent ended the conversation or handed it over.
        answered: Whether the answer came whole.
    """

    key: tuple[int, str]
    texts: list[str] = field(default_factory=list)
    acted: bool = False
    answered: bool = False


@dataclass
class WholeTextFrame(LLMTextFrame, AggregatedTextFrame):
    """A text that the voice says at once, instead of waiting for what may belong to its last sentence."""


class DialogflowService(LLMService[BaseLLMAdapter[Any]]):
    """An agent as a language model. Only the caller's last words go to it: it knows those before.

    An agent that ends the conversation, or hands it over, does what a model does that calls ``stop_service`` or
    ``connect_call``, provided that the AI has the tool. Tools of an agent that run at the client are those of the AI,
    by name.

    Since the agent moves on with each request, the same words are not sent twice when an answer is asked for again,
    and an answer that might be thrown away is not begun. Failures are error frames with a category, as with every
    model; an interruption cancels the request.

    Args:
        clients: The process's shared clients.
        credentials: Key and endpoint.
        api: The agent's API, for this session.
        call: How the call goes.
        **kwargs: Arguments of Pipecat's base class.
    """

    Settings = LLMSettings

    def __init__(
        self, *, clients: SharedClients, credentials: Credentials, api: AgentApi, call: AgentSettings, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._clients = clients
        self._credentials = credentials
        self._agent = api
        self._call = call
        self._method = 0
        self._told = False
        self._turn: _Turn | None = None
        self._heard: list[str] = []
        self._running: dict[str, AgentCall] = {}

    def can_generate_metrics(self) -> bool:
        """Say that this service measures its latency."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Set the service up; the connection for the first answer is opened meanwhile."""
        await super().setup(setup)
        google = self._google()
        self._clients.preconnect_by(google.connect, ("google", self._credentials.base_url, id(google)), "llm")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        if frame.speculation:
            # The agent would move on although the caller goes on speaking; it is asked when the turn is over.
            await self.broadcast_frame(EagerEndOfTurnCancelFrame)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await self.start_processing_metrics()
            await self._answer(frame.context)
        except Exception as error:  # noqa: BLE001
            # What Google says of a request quotes the caller, so nothing of it is logged.
            await self.push_error(f"Dialogflow failed: {type(error).__name__}", error)
        finally:
            await self.stop_processing_metrics()
            await self.push_frame(LLMFullResponseEndFrame())

    async def _answer(self, context: LLMContext) -> None:
        await self.start_ttfb_metrics()
        done = self._tools_done(context)
        key, said = self._last_said(context)
        last = self._turn
        if last is None or last.key != key:
            self._turn = _Turn(key)
            await self._converse([*done, said], self._turn, context)
        elif done or not last.answered:
            await self._converse([*done] or [said], last, context)
        elif not last.acted:
            await self._say_all(last.texts)
        # Else one of the tools failed that the agent does not know of, and it has nothing to add.

    def _last_said(self, context: LLMContext) -> tuple[tuple[int, str], AgentInput | None]:
        """What there is to answer, and the message that says so."""
        messages = context.messages
        for index in range(len(messages) - 1, -1, -1):
            message = messages[index]
            role = message.get("role") if isinstance(message, dict) else ""
            text = text_of(message.get("content")) if isinstance(message, dict) else ""
            if role == "user":
                return (index, text), caller_input(text)
            if text == CALL_CONNECTED:
                return (index, text), self._call.opening
            if role == "developer" and text in _SILENT:
                return (index, text), self._agent.silence
        return (-1, ""), self._call.opening

    def _tools_done(self, context: LLMContext) -> list[AgentInput | None]:
        messages: list[Any] = context.messages
        results = {
            message["tool_call_id"]: message.get("content")
            for message in messages
            if isinstance(message, dict) and message.get("role") == "tool"
        }
        ended = [name for name in self._running if results.get(name, _IN_PROGRESS) != _IN_PROGRESS]
        return [ToolDone(self._running.pop(name), result_of(results[name])) for name in ended]

    async def _converse(self, inputs: list[AgentInput | None], turn: _Turn, context: LLMContext) -> None:
        """Say something to the agent, say what it answers, and do what it wants done."""
        turn.answered, turn.texts = False, []
        tools = _tool_names(context)
        calls: list[FunctionCallFromLLM] = []
        unknown = 0
        while inputs:
            said = inputs.pop(0)
            if said is None:
                # The agent cannot be told that there was nothing to understand, so it is not asked.
                await self._say_all(self._heard or _last_spoken(context))
                continue
            reply = await self._exchange(said, turn)
            for call in reply.calls:
                if call.action in tools:
                    calls.append(_function_call(call.action, call.arguments, context))
                    self._running[calls[-1].tool_call_id] = call
                elif unknown < _UNKNOWN_CALLS:
                    logger.warning("the agent called the tool {}, which the AI does not have", call.action)
                    inputs.append(ToolDone(call, None))
                    unknown += 1
            for name, arguments in _wishes(reply, tools, self._call.handoff_target):
                calls.append(_function_call(name, arguments, context))
                turn.acted = True
        turn.answered = True
        self._heard = turn.texts or self._heard
        await self.run_function_calls(calls)

    async def _exchange(self, said: AgentInput, turn: _Turn) -> AgentReply:
        """Say one thing to the agent and say what it answers.

        Returns:
            What its messages amount to.
        """
        whole = AgentReply()
        async with aclosing(self._replies(said)) as replies:
            async for reply in replies:
                # Google does not say whether the last message repeats those before it.
                spoken = len(whole.texts)
                repeats = reply.final and reply.texts[:spoken] == whole.texts
                for text in reply.texts[spoken:] if repeats else reply.texts:
                    await self._say(text, first=not turn.texts, whole=not reply.final)
                    turn.texts.append(text)
                    whole = replace(whole, texts=(*whole.texts, text))
                whole = replace(
                    whole,
                    ends=whole.ends or reply.ends,
                    handoff=whole.handoff if reply.handoff is None else reply.handoff,
                    calls=(*whole.calls, *(call for call in reply.calls if call not in whole.calls)),
                )
        if isinstance(said, Event) and not (whole.texts or whole.calls):
            logger.warning("the agent has nothing to say to the event {}", said.name)
        return whole

    async def _say_all(self, texts: list[str]) -> None:
        for number, text in enumerate(texts):
            await self._say(text, first=number == 0)

    async def _say(self, text: str, *, first: bool, whole: bool = False) -> None:
        await self.stop_ttfb_metrics()
        if not whole:
            await self._push_llm_text(text if first else f" {text}")
            return
        if not first:
            await self._push_llm_text(" ")
        # The agent may be busy for a while before it says more.
        await self.push_frame(WholeTextFrame(text, TextType.SENTENCE))

    async def _replies(self, said: AgentInput) -> AsyncGenerator[AgentReply, None]:
        """Ask, again where that helps, until an answer begins; yield its messages."""
        limits = self._clients.limits
        tries = limits.retries
        deadline_s = asyncio.get_running_loop().time() + limits.quiet_s
        while True:
            replies = self._ask(said)
            try:
                async with asyncio.timeout_at(deadline_s):
                    first = await anext(replies, None)
                break
            except Exception as error:
                status = _status(error)
                if status == "UNIMPLEMENTED" and self._method + 1 < len(self._agent.methods):
                    self._method += 1
                    continue
                if not tries or status not in _REPEATED or _pause_s(error) > _LONGEST_PAUSE_S:
                    raise
                tries -= 1
            await asyncio.sleep(limits.reconnect_wait_s)
        if first is None:
            raise ConnectionError("there was no answer")
        self._told = True
        final = first.final
        async with aclosing(replies):
            yield first
            async for reply in replies:
                final = reply.final
                yield reply
        if not final:
            raise ConnectionError("the answer broke off")

    async def _ask(self, said: AgentInput) -> AsyncGenerator[AgentReply, None]:
        parameters = {} if self._told else self._call.parameters
        metadata = routing_header.to_grpc_metadata((("session", self._agent.session),))  # type: ignore[no-untyped-call]
        path = self._agent.methods[self._method]
        call = self._google().call(path, [self._agent.request(said, parameters)], [metadata])
        responses = cast("AsyncGenerator[bytes, None]", call.responses(self._clients.limits.quiet_s))
        try:
            async with aclosing(responses):
                async for message in responses:
                    yield self._agent.reply(message)
        finally:
            call.close()

    def _google(self) -> GoogleApi:
        return google_api(self._credentials, AUDIENCE, self._clients)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        return classify(exception)


def caller_input(text: str) -> AgentInput:
    """Return what the caller said, or the keys that they pressed, as an agent is told.

    Args:
        text: A message of the caller's in the context.
    """
    keys = _KEYS.fullmatch(text)
    return Keys(keys[1], keys[2]) if keys else Words(text)


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts of which the textual ones count.

    Args:
        content: The content.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def _last_spoken(context: LLMContext) -> list[str]:
    """What the bot last said, a fixed greeting for example."""
    for message in reversed(context.messages):
        if isinstance(message, dict) and message.get("role") == "assistant":
            text = text_of(message.get("content"))
            if text:
                return [text]
    return []


def _tool_names(context: LLMContext) -> frozenset[str]:
    tools = context.tools
    return frozenset(tool.name for tool in tools.standard_tools) if isinstance(tools, ToolsSchema) else frozenset()


def _wishes(reply: AgentReply, tools: frozenset[str], handoff_target: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The tools that a model would call to do what the agent wants done."""
    if reply.handoff is not None:
        arguments = handoff_arguments(reply.handoff, handoff_target)
        if arguments is not None and "connect_call" in tools:
            return [("connect_call", arguments)]
        logger.warning("the agent hands the call over, and {}", "to nobody" if "connect_call" in tools else "cannot")
    if reply.ends:
        if "stop_service" in tools:
            return [("stop_service", {})]
        logger.warning("the agent ends the conversation, and the AI does not have the tool stop_service")
    return []


def _function_call(name: str, arguments: Mapping[str, Any], context: LLMContext) -> FunctionCallFromLLM:
    return FunctionCallFromLLM(
        function_name=name, tool_call_id=f"call_{uuid.uuid4().hex}", arguments=arguments, context=context
    )


def _status(error: Exception) -> str:
    return str(error.code().name) if isinstance(error, AioRpcError) else ""


def _pause_s(error: Exception) -> float:
    """How long Google asks to wait, seconds; 0 when it does not say."""
    details: Any = from_grpc_error(error).details  # type: ignore[no-untyped-call]
    pauses = [detail.retry_delay.ToTimedelta().total_seconds() for detail in details if isinstance(detail, RetryInfo)]
    return max(pauses, default=0.0)


def build(row: ProviderRow, request: LlmRequest) -> DialogflowService:
    """Make the service.

    Args:
        row: Dialogflow's row.
        request: What to make it from.

    Raises:
        InvalidField: The model is neither ``cx`` nor ``es``, or it is ``cx`` and no agent is named.
    """
    options = request.options
    row.check_model(request.model, {}, options)
    name = agent_name(options, request.credentials.key, es=request.model == ES)
    session = (
        name,
        options.get("environment", ""),
        request.session_id or str(uuid.uuid4()),
        request.language or options.get("language") or _DEFAULT_LANGUAGE,
    )
    opening = options.get("welcome_text", "")
    return DialogflowService(
        clients=request.clients,
        credentials=regional(request.credentials, options),
        api=EsApi(*session) if request.model == ES else CxApi(*session),
        call=AgentSettings(
            parameters=session_parameters(request.system_instruction, request.variables),
            opening=Words(opening) if opening else Event(options.get("welcome_event") or _WELCOME),
            handoff_target=options.get("handoff_target", ""),
        ),
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
