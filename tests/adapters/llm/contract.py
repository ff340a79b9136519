"""The contract of the language-model seat, and what it adds for models behind a vendor's API."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from models.providers import EngineModel
from tests.adapters.vendors import BOUND_S, IMPATIENT, KEY, captured_log, first_error, impatient_clients, until
from tests.standins.base import StandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, Tap, piped
from tests.standins.replies import Reply

SECRET = "sk-very-secret-0123456789"


class Conversation:
    """A model, its context, and what it said."""

    def __init__(self, llm: LLMService[Any], pipe: Pipe, spoken: Tap, context: LLMContext) -> None:
        self.llm, self.pipe, self.spoken, self.context = llm, pipe, spoken, context

    async def user_says(self, text: str) -> None:
        self.context.add_message({"role": "user", "content": text})
        await self.pipe.send(LLMContextFrame(self.context))

    async def answers(self, count: int = 1) -> str:
        """Wait for the end of the n-th answer and return all the text so far."""
        await self.spoken.wait(LLMFullResponseEndFrame, count, BOUND_S)
        return self.text

    @property
    def text(self) -> str:
        return "".join(frame.text for frame in self.spoken.of(LLMTextFrame))


@asynccontextmanager
async def conversation(llm: LLMService[Any], *tools: FunctionSchema) -> AsyncIterator[Conversation]:
    context = LLMContext(tools=list(tools)) if tools else LLMContext()
    spoken = Tap(FrameDirection.DOWNSTREAM)
    assistant = LLMAssistantAggregator(context)
    async with piped(Pipeline([llm, spoken, assistant])) as pipe:
        yield Conversation(llm, pipe, spoken, context)


class LlmContract(ABC):
    """What every model does. Subclass it, name the class ``Test…``, and say how to make it answer."""

    @abstractmethod
    def answering(self, *replies: Reply) -> AbstractAsyncContextManager[LLMService[Any]]:
        """A service that answers one request after the other with these replies."""

    async def test_streams_its_answer(self) -> None:
        said = "We are open from nine to five, Monday to Friday."
        async with self.answering(Reply(said)) as llm, conversation(llm) as talk:
            await talk.user_says("When are you open?")
            assert (await talk.answers()).strip() == said
            assert len(talk.spoken.of(LLMTextFrame)) > 3
            assert len(talk.spoken.of(LLMFullResponseStartFrame)) == 1
            await until(lambda: talk.context.messages[-1] == {"role": "assistant", "content": said})

    async def test_answers_again(self) -> None:
        async with self.answering(Reply("One."), Reply("Two.")) as llm, conversation(llm) as talk:
            await talk.user_says("first")
            await talk.answers(1)
            await talk.user_says("second")
            assert (await talk.answers(2)).replace(" ", "") == "One.Two."

    async def test_calls_a_tool_and_takes_its_result(self) -> None:
        called: list[dict[str, Any]] = []

        async def weather(params: FunctionCallParams) -> None:
            called.append(dict(params.arguments))
            await params.result_callback({"sky": "clear"})

        tool = FunctionSchema("weather", "Tells it.", {"city": {"type": "string"}}, ["city"], handler=weather)
        replies = Reply("", [("weather", {"city": "Bergen"})]), Reply("The sky is clear.")
        async with self.answering(*replies) as llm, conversation(llm, tool) as talk:
            await talk.user_says("How is the weather in Bergen?")
            assert (await talk.answers(2)).strip() == "The sky is clear."
            assert called == [{"city": "Bergen"}]
            assert len(talk.spoken.of(FunctionCallsStartedFrame)) == 1
            results = [m for m in talk.context.messages if isinstance(m, dict) and m.get("role") == "tool"]
            assert ["clear" in str(result) for result in results] == [True]

    async def test_an_interruption_ends_the_answer(self) -> None:
        long = Reply("word " * 400, token_interval_s=0.02)
        async with self.answering(long, Reply("Yes?")) as llm, conversation(llm) as talk:
            await talk.user_says("Tell me everything.")
            await talk.spoken.wait(LLMTextFrame, 3, BOUND_S)
            await talk.pipe.send(InterruptionFrame())
            await talk.spoken.wait(InterruptionFrame, 1, BOUND_S)
            await self.nothing_is_generated(llm)
            before = len(talk.spoken.of(LLMTextFrame))
            await talk.user_says("Wait.")
            await talk.spoken.until(lambda: talk.text.endswith("Yes?"), BOUND_S)
            assert len(talk.spoken.of(LLMTextFrame)) - before <= 2

    async def nothing_is_generated(self, llm: LLMService[Any]) -> None:
        """Wait until an interrupted answer costs nothing any more."""
        assert llm.is_usable


class VendorLlmContract(LlmContract):
    """What a model behind an API does besides, when the vendor fails."""

    engine: ClassVar[str]
    endpoint: ClassVar[str]
    stand_in: ClassVar[type[Any]]

    def build(self, vendor: StandIn, clients: SharedClients, key: SecretStr = KEY) -> LLMService[Any]:
        engine = EngineModel.parse(self.engine)
        environ = {f"AICALL_BASE_URL_{engine.provider.upper()}": vendor.base_url}
        return build_llm(engine, key=key, system_instruction="Be brief.", resources=clients, environ=environ)

    @asynccontextmanager
    async def answering(self, *replies: Reply) -> AsyncIterator[LLMService[Any]]:
        async with self.stand_in(reply=replies) as vendor, impatient_clients() as clients:
            self.vendor = vendor
            yield self.build(vendor, clients)

    async def nothing_is_generated(self, llm: LLMService[Any]) -> None:
        await until(lambda: not self.vendor.open_streams)

    async def test_sends_prompt_model_and_key(self) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            (request,) = self.vendor.requests_to(self.endpoint)
            assert request.body["model"] == self.engine.partition(".")[2]
            assert "Be brief." in str(request.body)
            assert self.vendor.keys is not None
            assert any(key in str(request.headers) for key in self.vendor.keys)

    @pytest.mark.parametrize(
        ("faults", "category", "usable"),
        [
            pytest.param(Faults(status=401), ErrorCategory.AUTHENTICATION, False, id="key refused"),
            pytest.param(Faults(status=403), ErrorCategory.AUTHORIZATION, False, id="forbidden"),
            pytest.param(Faults(status=404), ErrorCategory.INVALID_REQUEST, False, id="no such model"),
            pytest.param(Faults(status=429, retry_after_s=60), ErrorCategory.RATE_LIMIT, True, id="rate limit"),
            pytest.param(Faults(stall_after=0), ErrorCategory.CONNECTIVITY, True, id="stall at once"),
            pytest.param(Faults(stall_after=4), ErrorCategory.CONNECTIVITY, True, id="stall in mid-answer"),
            pytest.param(Faults(delay_s=60), ErrorCategory.CONNECTIVITY, True, id="no answer"),
            pytest.param(Faults(drop_after=4), ErrorCategory.CONNECTIVITY, True, id="drop in mid-answer"),
            pytest.param(Faults(garbage_after=4), ErrorCategory.SERVER, True, id="garbage"),
        ],
    )
    async def test_a_failure_shows(self, faults: Faults, category: ErrorCategory, usable: bool) -> None:
        replies = Reply("One two three four five six."), Reply("Better.")
        async with self.answering(*replies) as llm, conversation(llm) as talk:
            self.vendor.faults = faults
            await talk.user_says("Hi.")
            error = await first_error(talk.pipe, category)
            await talk.answers()
            assert error.processor is llm
            assert llm.is_usable is usable
            if usable:
                self.vendor.faults = Faults()
                await talk.user_says("Again.")
                await talk.answers(2)
                assert talk.spoken.of(LLMTextFrame)[-1].text.endswith(".")

    async def test_the_wait_for_an_answer_is_bounded_retries_included(self) -> None:
        async with self.answering(Reply("never")) as llm, conversation(llm) as talk:
            self.vendor.faults = Faults(delay_s=60)
            await talk.user_says("Hi.")
            began_s = asyncio.get_running_loop().time()
            await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
            assert asyncio.get_running_loop().time() - began_s < 2 * IMPATIENT.quiet_s

    async def test_a_passing_error_before_the_answer_is_retried(self) -> None:
        # The SDKs wait about half a second before they ask again.
        async with self.stand_in(reply=[Reply("Here I am.")]) as vendor:
            clients = SharedClients()
            vendor.faults = Faults(status=500)
            async with conversation(self.build(vendor, clients)) as talk:
                await talk.user_says("Hi.")
                await until(lambda: vendor.requests)
                vendor.faults = Faults()
                assert (await talk.answers()).strip() == "Here I am."
                assert len(vendor.requests) == 2
            await clients.aclose()

    async def test_a_lasting_server_error_shows(self) -> None:
        async with self.stand_in() as vendor:
            clients = SharedClients()
            vendor.faults = Faults(status=500)
            async with conversation(self.build(vendor, clients)) as talk:
                await talk.user_says("Hi.")
                await first_error(talk.pipe, ErrorCategory.SERVER)
                assert talk.llm.is_usable
            await clients.aclose()

    async def test_the_first_answer_finds_a_connection_open(self) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "preconnect llm"))
            assert self.vendor.connections_made == 1
            assert not self.vendor.requests
            await talk.user_says("Hi.")
            await talk.answers()
            assert self.vendor.connections_made == 1

    async def test_an_unreachable_vendor_shows(self) -> None:
        async with self.answering(Reply("never")) as llm, conversation(llm) as talk:
            await self.vendor.refuse()
            self.vendor.drop_connections()
            await talk.user_says("Hi.")
            await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
            await talk.answers()
            assert llm.is_usable

    async def test_the_key_is_never_logged(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
            llm = self.build(vendor, clients, SecretStr(SECRET))
            async with conversation(llm) as talk:
                await talk.user_says("Hi.")
                error = await first_error(talk.pipe, ErrorCategory.AUTHENTICATION)
        assert lines
        assert not any(SECRET in line for line in lines)
        assert SECRET not in error.error
        assert SECRET not in repr(llm)

    async def test_calls_share_connections(self) -> None:
        async with self.stand_in() as vendor, impatient_clients() as clients:
            for _ in range(3):
                async with conversation(self.build(vendor, clients)) as talk:
                    await talk.user_says("Hi.")
                    await talk.answers()
                assert vendor.open_connections == 1
            await clients.aclose()
            await until(lambda: not vendor.open_connections)
