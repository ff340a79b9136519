"""Both APIs pass the contract, each but for what its agents do not have."""

import json
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
)
from pipecat.services.llm_service import FunctionCallParams
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.llm.build import build_llm
from adapters.llm.dialogflow import AgentSettings, DialogflowService, caller_input, text_of
from adapters.llm.dialogflow_session import Event, Keys, Words
from adapters.requests import Credentials
from models.prompts import (
    ANSWER_BROKE_OFF,
    CALL_CONNECTED,
    CALLER_SILENT,
    NOT_UNDERSTOOD,
    NOT_UNDERSTOOD_INTERRUPTED,
)
from models.providers import EngineModel
from tests.adapters.llm.contract import VendorLlmContract, conversation, noting
from tests.adapters.vendors import BOUND_S, KEY, captured_log, first_error, impatient_clients, until
from tests.standins.dialogflow import AGENT, PROJECT, AgentAnswer, DialogflowStandIn
from tests.standins.faults import Faults
from tests.standins.google_accounts import service_account
from tests.standins.replies import Reply

SESSION = "6f1c2f1e-7a0b-4d0e-9c39-2f5d3a4b1c2d"
CX_SESSION = f"projects/{PROJECT}/locations/global/agents/{AGENT}/sessions/{SESSION}"
ES_SESSION = f"projects/{PROJECT}/agent/sessions/{SESSION}"


def built(model, vendor, clients, *, key=None, language="en-US", prompt="Be brief.", **options):
    return build_llm(
        EngineModel.parse(f"dialogflow.{model}"),
        key=SecretStr(key or service_account()),
        system_instruction=prompt,
        resources=clients,
        environ={"AICALL_BASE_URL_DIALOGFLOW": vendor.base_url},
        options={"agent": AGENT} | options if model == "cx" else options,
        session_id=SESSION,
        language=language,
    )


class _Dialogflow(VendorLlmContract):
    stand_in = DialogflowStandIn
    arguments_are_text = False
    counts_tokens = False

    def build(self, vendor, clients, key=KEY):
        model = self.engine.partition(".")[2]
        return built(model, vendor, clients, key=service_account() if key is KEY else service_account("stranger"))

    def sent_text(self, request):
        # An agent is told the result of each tool by a request of its own.
        return "".join(super(_Dialogflow, self).sent_text(it) for it in self.vendor.requests)

    async def test_an_unreachable_vendor_shows(self):
        async with self.answering(Reply("never")) as llm, conversation(llm) as talk:
            # gRPC connects in a thread: what is being accepted when the stand-in stops to listen would outlive that.
            await until(lambda: self.vendor.open_connections)
            await self.vendor.refuse()
            self.vendor.drop_connections()
            await talk.user_says("Hi.")
            await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
            await talk.answers()
            assert llm.is_usable

    async def test_the_key_is_never_logged(self):
        async with self.stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
            llm = self.build(vendor, clients, SecretStr("another"))
            async with conversation(llm) as talk:
                await talk.user_says("Hi.")
                error = await first_error(talk.pipe, ErrorCategory.AUTHENTICATION)
            token = vendor.requests[0].headers["authorization"].removeprefix("Bearer ")
        pem = json.loads(service_account("stranger"))["private_key"].split("\n")[1]
        assert lines
        for secret in (pem, token):
            assert len(secret) > 50
            assert not any(secret in line for line in lines)
            assert secret not in error.error
            assert secret not in repr(llm)


class TestDialogflowCx(_Dialogflow):
    engine = "dialogflow.cx"
    endpoint = "stream"
    options: ClassVar = {"agent": AGENT}

    async def test_sends_prompt_model_and_key(self):
        async with self.answering(Reply("Hello."), Reply("Yes.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            await talk.user_says("Are you there?")
            await talk.answers(2)
            first, second = self.vendor.requests_to("stream")
            assert first.body["session"] == CX_SESSION
            assert first.body["query_input"] == {"text": {"text": "Hi."}, "language_code": "en-US"}
            # What the agent is told of the call stays with the session.
            assert first.body["query_params"]["parameters"] == {"init_prompt": "Be brief."}
            assert "query_params" not in second.body
            assert first.headers["x-goog-request-params"] == f"session={CX_SESSION}"

    @pytest.mark.parametrize(
        ("faults", "heard"),
        [
            pytest.param(Faults(delay_s=60), 0, id="before the answer"),
            pytest.param(Faults(stall_after=2), 1, id="in mid-answer"),
        ],
    )
    async def test_an_interruption_closes_the_vendors_stream(self, faults, heard):
        # An answer has few messages.
        await super().test_an_interruption_closes_the_vendors_stream(faults, heard)

    async def test_the_end_of_a_call_closes_the_vendors_stream(self):
        async with self.answering(Reply("One two three.")) as llm:
            self.vendor.faults = Faults(stall_after=2)
            async with conversation(llm) as talk:
                await talk.user_says("Hi.")
                await talk.spoken.wait(LLMTextFrame, 1, BOUND_S)
                assert self.vendor.open_streams == 1
            await until(lambda: not self.vendor.open_streams)


class TestDialogflowEs(_Dialogflow):
    engine = "dialogflow.es"
    endpoint = "es"
    options: ClassVar = {}
    tools = False
    # Of more than 256 characters it takes the end.
    longest_prompt_bytes = 300

    async def test_sends_prompt_model_and_key(self):
        async with self.answering(Reply("Hello."), Reply("Yes.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            await talk.user_says("Are you there?")
            await talk.answers(2)
            first, second = self.vendor.requests_to("es")
            assert first.body["session"] == ES_SESSION
            assert first.body["query_input"] == {"text": {"text": "Hi.", "language_code": "en-US"}}
            (context,) = first.body["query_params"]["contexts"]
            assert context["name"] == f"{ES_SESSION}/contexts/aicall"
            assert context["parameters"] == {"init_prompt": "Be brief."}
            assert "query_params" not in second.body

    async def test_streams_its_answer(self):
        answer = AgentAnswer(parts=("We are open.", "From nine to five."))
        async with self.answering(answer) as llm, conversation(llm) as talk:
            await talk.user_says("When are you open?")
            assert await talk.answers() == "We are open. From nine to five."
            said = {"role": "assistant", "content": "We are open. From nine to five."}
            await until(lambda: talk.context.messages[-1] == said)

    @pytest.mark.parametrize(
        ("faults", "category", "usable"),
        [
            pytest.param(Faults(status=401), ErrorCategory.AUTHENTICATION, False, id="key refused"),
            pytest.param(Faults(status=403), ErrorCategory.AUTHORIZATION, False, id="forbidden"),
            pytest.param(Faults(status=404), ErrorCategory.INVALID_REQUEST, False, id="no such agent"),
            pytest.param(Faults(status=429, retry_after_s=60), ErrorCategory.RATE_LIMIT, True, id="rate limit"),
            pytest.param(Faults(stall_after=0), ErrorCategory.CONNECTIVITY, True, id="stall"),
            pytest.param(Faults(delay_s=60), ErrorCategory.CONNECTIVITY, True, id="no answer"),
            pytest.param(Faults(drop_after=0), ErrorCategory.CONNECTIVITY, True, id="drop"),
            pytest.param(Faults(close_after=0), ErrorCategory.CONNECTIVITY, True, id="close"),
            pytest.param(Faults(garbage_after=0), ErrorCategory.SERVER, True, id="garbage"),
        ],
    )
    async def test_a_failure_shows(self, faults, category, usable):
        # An answer is one message.
        await super().test_a_failure_shows(faults, category, usable)

    @pytest.mark.parametrize(("faults", "heard"), [(Faults(delay_s=60), 0), (Faults(stall_after=0), 0)])
    async def test_an_interruption_closes_the_vendors_stream(self, faults, heard):
        await super().test_an_interruption_closes_the_vendors_stream(faults, heard)

    async def test_an_interruption_ends_the_answer(self):
        async with self.answering(Reply("Slowly.", first_token_s=60), Reply("Yes?")) as llm, conversation(llm) as talk:
            await talk.user_says("Tell me everything.")
            # A request that is cancelled before it was read would leave the long answer to the next one.
            await until(lambda: self.vendor.replies_given)
            await talk.pipe.send(InterruptionFrame())
            await self.nothing_is_generated(llm)
            await talk.user_says("Wait.")
            await talk.spoken.until(lambda: talk.text == "Yes?", BOUND_S)

    async def test_the_end_of_a_call_closes_the_vendors_stream(self):
        async with self.answering(Reply("Never.", first_token_s=60)) as llm:
            async with conversation(llm) as talk:
                await talk.user_says("Hi.")
                await until(lambda: self.vendor.replies_given)
            await until(lambda: not self.vendor.open_streams)


@asynccontextmanager
async def call(*replies, model="cx", tools=(), stand_in=None, **how):
    """A conversation with an agent, and the stand-in."""
    async with (
        DialogflowStandIn(reply=replies, **(stand_in or {})) as vendor,
        impatient_clients() as clients,
        conversation(built(model, vendor, clients, **how), *tools) as talk,
    ):
        yield talk, vendor


def inputs(vendor, endpoint="stream"):
    return [request.body["query_input"] for request in vendor.requests_to(endpoint)]


async def told(talk, text, role="developer"):
    talk.context.add_message({"role": role, "content": text})
    await talk.pipe.send(LLMContextFrame(talk.context))


async def asked_again(talk):
    await talk.pipe.send(LLMContextFrame(talk.context))


@pytest.mark.parametrize(
    ("model", "options", "sent"),
    [
        ("cx", {}, {"event": {"event": "WELCOME"}, "language_code": "en-US"}),
        ("cx", {"welcome_event": "CALL"}, {"event": {"event": "CALL"}, "language_code": "en-US"}),
        ("cx", {"welcome_text": "Hello"}, {"text": {"text": "Hello"}, "language_code": "en-US"}),
        ("es", {}, {"event": {"name": "WELCOME", "language_code": "en-US"}}),
    ],
)
async def test_the_agent_speaks_first(model, options, sent):
    async with call(Reply("Good day."), model=model, **options) as (talk, vendor):
        await told(talk, CALL_CONNECTED)
        assert await talk.answers() == "Good day."
        assert inputs(vendor, "stream" if model == "cx" else "es") == [sent]


async def test_without_any_message_the_agent_speaks_first():
    async with call(Reply("Good day.")) as (talk, vendor):
        await asked_again(talk)
        assert await talk.answers() == "Good day."
        assert inputs(vendor)[0]["event"] == {"event": "WELCOME"}


async def test_an_agent_that_does_not_know_the_event_is_warned_of():
    async with captured_log() as lines, call(Reply("")) as (talk, _):
        await told(talk, CALL_CONNECTED)
        await talk.answers()
    assert any("nothing to say to the event WELCOME" in line for line in lines)


@pytest.mark.parametrize("prompt", [CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED])
async def test_cx_is_told_that_there_was_no_input(prompt):
    async with call(Reply("Hello?")) as (talk, vendor):
        await told(talk, "Welcome.", "assistant")
        await told(talk, prompt)
        await talk.spoken.until(lambda: talk.text.endswith("Hello?"), BOUND_S)
        assert inputs(vendor)[-1] == {"text": {}, "language_code": "en-US"}


async def test_es_asks_the_same_again_when_there_was_no_input():
    async with call(AgentAnswer(parts=("Yes.", "For when?")), model="es") as (talk, vendor):
        talk.context.add_message({"role": "assistant", "content": "Welcome. How can I help?"})
        await told(talk, CALLER_SILENT)
        assert await talk.answers() == "Welcome. How can I help?"
        await talk.user_says("A table, please.")
        await talk.answers(2)
        await told(talk, NOT_UNDERSTOOD)
        await talk.answers(3)
        assert talk.text.endswith("Yes. For when?Yes. For when?")
        assert len(vendor.requests) == 1


async def test_keys_are_told_as_keys():
    async with call(Reply("Thanks."), Reply("Thanks.")) as (talk, vendor):
        await talk.user_says("DTMF: 1234#")
        await talk.answers()
        await talk.user_says("DTMF: 12")
        await talk.answers(2)
        assert [said["dtmf"] for said in inputs(vendor)] == [{"digits": "1234", "finish_digit": "#"}, {"digits": "12"}]
    async with call(Reply("Thanks."), model="es") as (talk, vendor):
        await talk.user_says("DTMF: 1234#")
        await talk.answers()
        assert inputs(vendor, "es")[0]["text"]["text"] == "1234"


def test_reads_what_the_caller_did():
    assert caller_input("DTMF: *") == Keys("", "*")
    assert caller_input("DTMF: I pressed it") == Words("DTMF: I pressed it")
    assert text_of([{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]) == "a b"
    assert text_of(None) == ""


async def test_an_answer_is_not_asked_for_twice():
    async with call(AgentAnswer(parts=("Booked.", "Anything else?")), Reply("Bye.")) as (talk, vendor):
        await talk.user_says("Book it.")
        await talk.answers()
        await asked_again(talk)
        assert await talk.answers(2) == "Booked. Anything else?Booked. Anything else?"
        assert len(vendor.requests) == 1
        await talk.user_says("Book it.")
        await talk.answers(3)
        assert len(vendor.requests) == 2


async def test_an_answer_that_failed_is_asked_for_again():
    async with call(Reply("Never."), Reply("Booked.")) as (talk, vendor):
        vendor.faults = Faults(stall_after=0)
        await talk.user_says("Book it.")
        await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
        vendor.faults = Faults()
        await asked_again(talk)
        await talk.spoken.until(lambda: talk.text == "Booked.", BOUND_S)
        # What the first request was to tell of the call is not taken for told.
        assert "query_params" in vendor.requests[1].body


async def test_takes_over_from_a_model_that_broke_off():
    async with call(Reply("At nine.")) as (talk, vendor):
        talk.context.add_message({"role": "user", "content": "When are you open?"})
        talk.context.add_message({"role": "assistant", "content": "We are"})
        await told(talk, ANSWER_BROKE_OFF)
        assert await talk.answers() == "At nine."
        assert inputs(vendor)[0]["text"] == {"text": "When are you open?"}


async def test_an_answer_that_may_be_thrown_away_is_not_begun():
    async with call(Reply("Hello.")) as (talk, vendor):
        talk.context.add_message({"role": "user", "content": "Hi."})
        await talk.pipe.send(LLMContextFrame(talk.context, speculation=True))
        await talk.pipe.up.wait(EagerEndOfTurnCancelFrame, 1, BOUND_S)
        assert not vendor.requests
        await asked_again(talk)
        assert await talk.answers() == "Hello."
        assert len(talk.spoken.of(LLMFullResponseEndFrame)) == 1


async def test_partial_responses_are_not_said_twice():
    for repeats in (False, True):
        answer = AgentAnswer(parts=("One moment.", "I look it up.", "You owe nothing."), repeats=repeats)
        async with call(answer) as (talk, _):
            await talk.user_says("What do I owe?")
            assert await talk.answers() == "One moment. I look it up. You owe nothing."


async def test_a_partial_response_is_said_while_the_agent_works_on():
    answer = AgentAnswer(parts=("One moment.", "Done."))
    async with call(answer, stand_in={"faults": Faults(stall_after=1)}) as (talk, _):
        await talk.user_says("Please.")
        await talk.spoken.wait(LLMTextFrame, 1, BOUND_S)
        assert not talk.spoken.of(LLMFullResponseEndFrame)


async def test_an_answer_without_its_last_message_is_a_failure():
    answer = AgentAnswer(parts=("One moment.", "Done."))
    async with call(answer, stand_in={"cut_short": True}) as (talk, _):
        await talk.user_says("Please.")
        await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
        assert talk.text == "One moment."


async def test_an_agent_without_streaming_is_asked_otherwise():
    answer = AgentAnswer(parts=("One moment.", "Done."))
    async with call(answer, Reply("Yes."), stand_in={"streams": False}) as (talk, vendor):
        await talk.user_says("Please.")
        assert await talk.answers() == "One moment. Done."
        await talk.user_says("Really?")
        await talk.answers(2)
        # It is tried once a call.
        assert [request.endpoint for request in vendor.requests] == ["stream", "detect", "detect"]


async def test_text_for_speech_is_preferred():
    ssml = AgentAnswer("Shown.", audio_text="<speak>It costs <emphasis>five</emphasis> euros.<break/></speak>")
    async with call(ssml, AgentAnswer("Shown.", chunks=["Shown."], audio_text="Spoken.")) as (talk, _):
        await talk.user_says("What is it?")
        assert await talk.answers() == "It costs five euros."
        await talk.user_says("And now?")
        await talk.answers(2)
        assert talk.text.endswith("Spoken.")


def stopping(called):
    """The AI's tools as the runtime has them: after these the model does not speak again."""

    def tool(name):
        async def note(params: FunctionCallParams) -> None:
            called.append((name, dict(params.arguments)))

        return FunctionSchema(name, f"Does {name}.", {}, [], handler=note)

    return tool("stop_service"), tool("connect_call")


@pytest.mark.parametrize("model", ["cx", "es"])
async def test_an_agent_that_ends_the_conversation_ends_the_call(model):
    called = []
    async with call(AgentAnswer("Goodbye.", chunks=["Goodbye."], ends=True), model=model, tools=stopping(called)) as (
        talk,
        _,
    ):
        await talk.user_says("Bye.")
        await until(lambda: called)
        assert called == [("stop_service", {})]
        # What the agent said is on its way before the call is told to end.
        assert talk.text == "Goodbye."


@pytest.mark.parametrize("model", ["cx", "es"])
@pytest.mark.parametrize(
    ("handoff", "options", "destination"),
    [
        ({"phone_number": "+15551230001"}, {}, {"type": "tel", "target": "+15551230001"}),
        ({"type": "sip", "target": "desk@example.com"}, {}, {"type": "sip", "target": "desk@example.com"}),
        ({"reason": "angry"}, {"handoff_target": "extension:200"}, {"type": "extension", "target": "200"}),
    ],
)
async def test_an_agent_that_hands_over_connects_the_call(model, handoff, options, destination):
    called = []
    answer = AgentAnswer("One moment.", chunks=["One moment."], handoff=handoff, ends=True)
    async with call(answer, model=model, tools=stopping(called), **options) as (talk, _):
        await talk.user_says("A person, please.")
        await until(lambda: called)
        assert called == [("connect_call", {"destinations": [destination]})]
        await talk.answers()
        assert talk.text == "One moment."


async def test_a_transfer_to_a_number_connects_the_call():
    called = []
    async with call(AgentAnswer("Bye.", transfer="+15551230001"), tools=stopping(called)) as (talk, _):
        await talk.user_says("A person, please.")
        await until(lambda: called)
        assert called == [("connect_call", {"destinations": [{"type": "tel", "target": "+15551230001"}]})]


async def test_a_handover_to_nobody_that_ends_the_conversation_ends_the_call():
    called = []
    async with call(AgentAnswer("Bye.", handoff={}, ends=True), tools=stopping(called)) as (talk, _):
        await talk.user_says("A person, please.")
        await until(lambda: called)
        assert called == [("stop_service", {})]


async def test_an_ai_without_the_tools_goes_on():
    async with captured_log() as lines, call(AgentAnswer("Bye.", handoff={"target": "1"}, ends=True)) as (talk, _):
        await talk.user_says("A person, please.")
        assert await talk.answers() == "Bye."
        await talk.user_says("Hello?")
        assert await talk.answers(2) == "Bye.You said: Hello."
    assert any("stop_service" in line for line in lines)


async def test_a_tool_that_failed_does_not_make_the_agent_repeat_itself():
    async def fail(params: FunctionCallParams) -> None:
        await params.result_callback({"result": "failed", "message": "nobody there"})

    tool = FunctionSchema("connect_call", "Connects.", {}, [], handler=fail)
    async with call(AgentAnswer("One moment.", chunks=["One moment."], handoff={"target": "1"}), tools=[tool]) as (
        talk,
        vendor,
    ):
        await talk.user_says("A person, please.")
        # The model is asked what to say about the failure.
        assert await talk.answers(2) == "One moment."
        assert len(vendor.requests) == 1


async def test_a_tool_that_the_ai_does_not_have_is_refused():
    async with call(Reply("", [("weather", {"city": "Bergen"})]), Reply("I do not know.")) as (talk, vendor):
        await talk.user_says("How is the weather?")
        assert await talk.answers() == "I do not know."
        result = inputs(vendor)[1]["tool_call_result"]
        assert result["action"] == "weather"
        assert result["error"]


async def test_an_agent_that_insists_on_a_tool_is_not_asked_for_ever():
    insisting = [Reply("", [("weather", {})])] * 20
    async with call(*insisting) as (talk, vendor):
        await talk.user_says("How is the weather?")
        await talk.answers()
        assert len(vendor.requests) == 6


async def test_the_result_of_a_tool_goes_to_the_agent():
    called = []
    async with call(Reply("", [("clock", {})]), Reply("Noon.")) as (talk, vendor):
        talk.context.set_tools([noting("clock", called)])
        await talk.user_says("What time is it?")
        await talk.spoken.until(lambda: talk.text == "Noon.", BOUND_S)
        (result,) = [said["tool_call_result"] for said in inputs(vendor) if "tool_call_result" in said]
        assert result["output_parameters"] == {"result": "result of clock"}
        assert result["tool"].endswith("/tools/clock-id")


async def test_a_short_pause_that_google_wants_is_made():
    async with call(Reply("Here.")) as (talk, vendor):
        vendor.faults = Faults(status=429, retry_after_s=1, first=1)
        await talk.user_says("Hi.")
        assert await talk.answers() == "Here."
        assert len(vendor.requests) == 2


async def test_a_long_pause_that_google_wants_is_not_made():
    async with call(Reply("Never.")) as (talk, vendor):
        vendor.faults = Faults(status=429, retry_after_s=60)
        await talk.user_says("Hi.")
        await first_error(talk.pipe, ErrorCategory.RATE_LIMIT)
        await talk.answers()
        assert len(vendor.requests) == 1


async def test_a_refused_request_is_not_repeated():
    async with call() as (talk, vendor):
        vendor.faults = Faults(status=400)
        await talk.user_says("Hi.")
        await first_error(talk.pipe, ErrorCategory.INVALID_REQUEST)
        assert len(vendor.requests) == 1


async def test_another_agent_is_not_found():
    async with call(agent="another") as (talk, _):
        await talk.user_says("Hi.")
        error = await first_error(talk.pipe, ErrorCategory.INVALID_REQUEST)
        assert "Hi." not in error.error


async def test_an_unreadable_key_shows():
    document = json.dumps(json.loads(service_account()) | {"private_key": "no key"})
    async with call(key=document) as (talk, vendor):
        await talk.user_says("Hi.")
        await first_error(talk.pipe, ErrorCategory.AUTHENTICATION)
        assert not vendor.requests


async def test_the_agent_learns_the_variables_of_the_call():
    async with DialogflowStandIn(reply=[Reply("Hi.")]) as vendor, impatient_clients() as clients:
        llm = built("cx", vendor, clients)
        api = llm._agent
        settings = AgentSettings(parameters={"call": {"from": "+1555"}}, opening=Event("WELCOME"))
        credentials = Credentials(SecretStr(service_account()), vendor.base_url)
        kwargs = {"settings": llm._settings}
        service = DialogflowService(clients=clients, credentials=credentials, api=api, call=settings, **kwargs)
        async with conversation(service) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            assert vendor.requests[0].body["query_params"]["parameters"] == {"call": {"from": "+1555"}}


@pytest.mark.parametrize(
    ("how", "sent"),
    [({"language": "de-DE"}, "de-DE"), ({"language": ""}, "en")],
)
async def test_the_language_is_the_calls(how, sent):
    async with call(Reply("Hi."), **how) as (talk, vendor):
        await talk.user_says("Hi.")
        await talk.answers()
        assert inputs(vendor)[0]["language_code"] == sent
