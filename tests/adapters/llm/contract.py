"""The contract of the language-model seat, and what it adds for models behind a vendor's API."""

from __future__ import annotations

import asyncio
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    ErrorFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients, VendorLimits
from adapters.llm.build import build_llm
from models.providers import EngineModel
from tests.adapters.vendors import (
    BOUND_S,
    IMPATIENT,
    KEY,
    captured_log,
    clients_with,
    first_error,
    impatient_clients,
    until,
)
from tests.standins.base import LoggedRequest, StandIn
from tests.standins.certificate import self_signed
from tests.standins.faults import Faults
from tests.standins.pipeline import Pipe, Tap, piped
from tests.standins.replies import Reply

SECRET = "sk-very-secret-0123456789"
ENDLESS = VendorLimits(quiet_s=60.0)
"""For streams that end within the time of a test only when somebody closes them."""

SCRIPTS = {
    "Arabic, with vowel marks apart from their letters": ["مَرْحَب", "\u064b", "ا بِكَ", " فِي", " الْمَكْتَبِ."],  # noqa: RUF001
    "Hebrew, with points and marks of direction": ["\u200fש", "\u05c1\u05b8", "לוֹם", " לְךָ", ", 12:30\u200f."],
    "Hindi, with vowel signs apart from their letters": ["नमस", "\u094d", "त", "\u0947", ", आपका स्वागत है।"],
    "Latin, with accents apart from their letters": ["Cafe", "\u0301", " n", "\u0303", "o."],
    "emoji, cut between their parts": [
        "Family ",
        "\U0001f468\u200d",
        "\U0001f469\u200d\U0001f467",
        " \U0001f1f3",
        "\U0001f1f4.",
    ],
    "quotes, escapes and markup": ['She said: "', "C:\\temp\\n", '"', " <b>data: [DONE]</b>\t", "{}."],
}
"""Answers in pieces as vendors cut them."""


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

    @property
    def usage(self) -> list[LLMTokenUsage]:
        """The tokens of each answer, with ``metrics``."""
        data = [it for frame in self.spoken.of(MetricsFrame) for it in frame.data]
        return [it.value for it in data if isinstance(it, LLMUsageMetricsData)]


@asynccontextmanager
async def conversation(
    llm: LLMService[Any], *tools: FunctionSchema, metrics: bool = False
) -> AsyncIterator[Conversation]:
    context = LLMContext(tools=list(tools)) if tools else LLMContext()
    spoken = Tap(FrameDirection.DOWNSTREAM)
    assistant = LLMAssistantAggregator(context)
    async with piped(Pipeline([llm, spoken, assistant]), metrics=metrics) as pipe:
        yield Conversation(llm, pipe, spoken, context)


def noting(name: str, called: list[tuple[str, dict[str, Any]]]) -> FunctionSchema:
    """A tool that notes its calls and answers with ``result of <name>``."""

    async def note(params: FunctionCallParams) -> None:
        called.append((name, dict(params.arguments)))
        await params.result_callback({"result": f"result of {name}"})

    return FunctionSchema(name, f"Does {name}.", {"what": {"type": "string"}}, [], handler=note)


class LlmContract(ABC):
    """What every model does. Subclass it, name the class ``Test…``, and say how to make it answer.

    Attributes:
        tools: Whether the vendor's model calls tools at all.
    """

    tools: ClassVar[bool] = True

    def require_tools(self) -> None:
        """Skip a test of what the vendor does not have."""
        if not self.tools:
            pytest.skip("the vendor's models call no tools")

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
        self.require_tools()
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
    """What a model behind an API does besides, when the vendor fails.

    Attributes:
        engine: Provider and model.
        endpoint: The stand-in's name of the endpoint that answers.
        stand_in: The vendor's stand-in.
        arguments_are_text: Whether the vendor streams a tool's arguments as text, which can be cut and be no JSON.
        counts_tokens: Whether the vendor says how many tokens an answer took.
        longest_prompt_bytes: The longest prompt that is tried; less than 200 kB only where the vendor takes no more.
    """

    engine: ClassVar[str]
    endpoint: ClassVar[str]
    stand_in: ClassVar[type[Any]]
    arguments_are_text: ClassVar[bool] = True
    counts_tokens: ClassVar[bool] = True
    longest_prompt_bytes: ClassVar[int] = 200_000

    def sent_text(self, request: LoggedRequest) -> str:
        """Everything that the vendor was told, as JSON without escapes of letters."""
        return json.dumps(request.body, ensure_ascii=False, default=str)

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
            pytest.param(Faults(stall_after=1), ErrorCategory.CONNECTIVITY, True, id="stall after the first chunk"),
            pytest.param(Faults(stall_after=4), ErrorCategory.CONNECTIVITY, True, id="stall in mid-answer"),
            pytest.param(Faults(delay_s=60), ErrorCategory.CONNECTIVITY, True, id="no answer"),
            pytest.param(Faults(drop_after=4), ErrorCategory.CONNECTIVITY, True, id="drop in mid-answer"),
            pytest.param(Faults(close_after=4), ErrorCategory.CONNECTIVITY, True, id="close in mid-answer"),
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

    async def test_calls_two_tools_of_one_answer(self) -> None:
        self.require_tools()
        called: list[tuple[str, dict[str, Any]]] = []
        wanted = [("weather", {"what": "Bergen, " * 20 + "عاصفة \U0001f327"}), ("clock", {"what": "Europe/Oslo"})]
        replies = Reply("", wanted), Reply("It rains at noon.")
        async with (
            self.answering(*replies) as llm,
            conversation(llm, noting("weather", called), noting("clock", called)) as talk,
        ):
            await talk.user_says("How is the weather in Bergen, and what time is it?")
            await talk.spoken.until(lambda: talk.text.strip() == "It rains at noon.", BOUND_S)
            assert sorted(called) == sorted(wanted)
            sent = self.sent_text(self.vendor.requests_to(self.endpoint)[-1])
            assert "result of weather" in sent
            assert "result of clock" in sent

    async def test_calls_a_tool_without_arguments_behind_words(self) -> None:
        self.require_tools()
        called: list[tuple[str, dict[str, Any]]] = []
        replies = Reply("One moment.", [("clock", {})]), Reply("It is noon.")
        async with self.answering(*replies) as llm, conversation(llm, noting("clock", called)) as talk:
            await talk.user_says("What time is it?")
            await talk.spoken.until(lambda: talk.text.endswith("It is noon."), BOUND_S)
            assert talk.text.startswith("One moment.")
            assert called == [("clock", {})]

    async def test_arguments_that_are_no_json_call_nothing_and_show(self) -> None:
        self.require_tools()
        if not self.arguments_are_text:
            pytest.skip("the vendor sends a tool's arguments as a structure, which is always whole")
        called: list[tuple[str, dict[str, Any]]] = []
        replies = Reply("", [("clock", '{"what": "Europe/Os')]), Reply("Better.")
        async with self.answering(*replies) as llm, conversation(llm, noting("clock", called)) as talk:
            await talk.user_says("What time is it?")
            await first_error(talk.pipe, ErrorCategory.SERVER)
            await talk.answers()
            await talk.user_says("Again.")
            await talk.spoken.until(lambda: talk.text.strip() == "Better.", BOUND_S)
            assert called == []
            assert llm.is_usable

    async def test_an_empty_answer_is_none(self) -> None:
        async with self.answering(Reply(""), Reply("Still here.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            assert await talk.answers() == ""
            await talk.user_says("Anybody there?")
            assert (await talk.answers(2)).strip() == "Still here."
            assert not talk.pipe.up.of(ErrorFrame)

    @pytest.mark.parametrize("chunks", SCRIPTS.values(), ids=SCRIPTS)
    async def test_every_script_arrives_as_it_was_sent(self, chunks: list[str]) -> None:
        said = "".join(chunks)
        async with self.answering(Reply(chunks=chunks)) as llm, conversation(llm) as talk:
            await talk.user_says(said)
            assert (await talk.answers()).strip() == said
            (request,) = self.vendor.requests_to(self.endpoint)
            assert json.dumps(said, ensure_ascii=False)[1:-1] in self.sent_text(request)
            await until(lambda: talk.context.messages[-1] == {"role": "assistant", "content": said})

    async def test_a_very_long_prompt_arrives_whole(self) -> None:
        line = "Wörter, كلمات, 言葉; "
        said = line * (self.longest_prompt_bytes // len(line.encode()))
        async with self.answering(Reply("I see.")) as llm, conversation(llm) as talk:
            await talk.user_says(said)
            assert (await talk.answers()).strip() == "I see."
            (request,) = self.vendor.requests_to(self.endpoint)
            assert said.strip() in self.sent_text(request)

    async def test_tokens_are_counted(self) -> None:
        if not self.counts_tokens:
            pytest.skip("the vendor does not say how many tokens an answer took")
        async with self.answering(Reply("One two three.")) as llm, conversation(llm, metrics=True) as talk:
            await talk.user_says("Count to three.")
            await talk.answers()
            await until(lambda: talk.usage)
            (usage,) = talk.usage
            assert usage.prompt_tokens >= 3
            assert usage.completion_tokens == 3
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens

    async def test_an_untrusted_certificate_shows(self, tmp_path: Path) -> None:
        certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_cert_chain(self_signed(tmp_path))
        async with (
            self.stand_in(tls=certificate) as vendor,
            impatient_clients() as clients,
            conversation(self.build(vendor, clients)) as talk,
        ):
            await talk.user_says("Hi.")
            await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
            await talk.answers()
            assert talk.llm.is_usable
            assert not vendor.requests

    async def test_too_many_requests_show(self) -> None:
        async with self.stand_in(faults=Faults(status=429)) as vendor:
            clients = SharedClients()
            async with conversation(self.build(vendor, clients)) as talk:
                await talk.user_says("Hi.")
                await first_error(talk.pipe, ErrorCategory.RATE_LIMIT)
                assert talk.llm.is_usable
                assert len(vendor.requests) <= 1 + clients.limits.retries
            await clients.aclose()

    async def test_a_long_pause_that_the_vendor_wants_is_not_waited_for(self) -> None:
        async with (
            self.stand_in(faults=Faults(status=429, retry_after_s=30)) as vendor,
            clients_with(ENDLESS) as clients,
            conversation(self.build(vendor, clients)) as talk,
        ):
            await talk.user_says("Hi.")
            await first_error(talk.pipe, ErrorCategory.RATE_LIMIT)
            await talk.answers()

    @pytest.mark.parametrize(
        ("faults", "heard"),
        [
            pytest.param(Faults(delay_s=60), 0, id="before the answer"),
            pytest.param(Faults(stall_after=12), 1, id="in mid-answer"),
        ],
    )
    async def test_an_interruption_closes_the_vendors_stream(self, faults: Faults, heard: int) -> None:
        said = "word " * 30 + "end."
        async with (
            self.stand_in(reply=[Reply(said)] * 2) as vendor,
            clients_with(ENDLESS) as clients,
            conversation(self.build(vendor, clients)) as talk,
        ):
            vendor.faults = faults
            await talk.user_says("Tell me.")
            await until(lambda: vendor.requests)
            await talk.spoken.wait(LLMTextFrame, heard, BOUND_S)
            await talk.pipe.send(InterruptionFrame())
            await until(lambda: not vendor.open_streams)
            vendor.faults = Faults()
            await talk.user_says("Again.")
            await talk.spoken.until(lambda: talk.text.endswith("end."), BOUND_S)
            assert not talk.pipe.up.of(ErrorFrame)

    async def test_the_end_of_a_call_closes_the_vendors_stream(self) -> None:
        async with self.stand_in(faults=Faults(stall_after=12)) as vendor, clients_with(ENDLESS) as clients:
            async with conversation(self.build(vendor, clients)) as talk:
                await talk.user_says("word " * 30)
                await talk.spoken.wait(LLMTextFrame, 1, BOUND_S)
                assert vendor.open_streams == 1
            await until(lambda: not vendor.open_streams)
