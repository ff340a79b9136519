"""The stand-in under Google's own clients."""

from contextlib import asynccontextmanager

import grpc
import pytest
from google.api_core.exceptions import (
    GoogleAPICallError,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from google.cloud import dialogflow_v2 as es
from google.cloud import dialogflowcx_v3 as cx
from google.cloud.dialogflow_v2.services.agents.transports import AgentsGrpcAsyncIOTransport as EsAgents
from google.cloud.dialogflow_v2.services.sessions.transports import SessionsGrpcAsyncIOTransport as EsSessions
from google.cloud.dialogflowcx_v3.services.agents.transports import AgentsGrpcAsyncIOTransport as CxAgents
from google.cloud.dialogflowcx_v3.services.sessions.transports import SessionsGrpcAsyncIOTransport as CxSessions
from pydantic import SecretStr

from adapters.google_cloud import ServiceAccount
from tests.standins.dialogflow import AGENT, PROJECT, AgentAnswer, DialogflowStandIn
from tests.standins.google_accounts import service_account
from tests.standins.replies import Reply

CX_AGENT = f"projects/{PROJECT}/locations/global/agents/{AGENT}"
CX_SESSION = f"{CX_AGENT}/sessions/s"
ES_SESSION = f"projects/{PROJECT}/agent/sessions/s"


class Client:
    """Google's clients on a channel to the stand-in."""

    def __init__(self, channel, account):
        token = ServiceAccount(SecretStr(account), DialogflowStandIn.AUDIENCE).token
        self.metadata = [("authorization", f"Bearer {token}")]
        self.cx = cx.SessionsAsyncClient(transport=CxSessions(channel=channel))
        self.cx_agents = cx.AgentsAsyncClient(transport=CxAgents(channel=channel))
        self.es = es.SessionsAsyncClient(transport=EsSessions(channel=channel))
        self.es_agents = es.AgentsAsyncClient(transport=EsAgents(channel=channel))

    async def detect(self, query_input, session=CX_SESSION, **more):
        request = {"session": session, "query_input": {"language_code": "en"} | query_input}
        return await self.cx.detect_intent(request | more, metadata=self.metadata, timeout=5)

    async def stream(self, text):
        request = {"session": CX_SESSION, "query_input": {"text": {"text": text}, "language_code": "en"}}
        stream = await self.cx.server_streaming_detect_intent(request, metadata=self.metadata, timeout=5)
        return [message async for message in stream]

    async def detect_es(self, query_input, session=ES_SESSION, **more):
        request = {"session": session, "query_input": query_input} | more
        return await self.es.detect_intent(request, metadata=self.metadata, timeout=5)


@asynccontextmanager
async def clients(*replies, account=None, **how):
    async with (
        DialogflowStandIn(reply=replies, **how) as vendor,
        grpc.aio.insecure_channel(vendor.base_url.removeprefix("http://")) as channel,
    ):
        yield Client(channel, account or service_account()), vendor


def words(*responses):
    return [text for it in responses for message in it.query_result.response_messages for text in message.text.text]


async def test_cx_streams_partial_responses():
    answer = AgentAnswer(parts=("One moment.", "Done."))
    async with clients(answer, Reply("a b c d e f g h")) as (google, _):
        partial, final = await google.stream("Hi.")
        kinds = cx.DetectIntentResponse.ResponseType
        assert (partial.response_type, final.response_type) == (kinds.PARTIAL, kinds.FINAL)
        assert words(partial, final) == ["One moment.", "Done."]
        assert words(*await google.stream("Hi.")) == ["a", "b", "c", "d", "e", "f g h"]


async def test_cx_answers_at_once_without_streaming():
    async with clients(AgentAnswer(parts=("One moment.", "Done.")), streams=False) as (google, _):
        with pytest.raises(MethodNotImplemented):
            await google.stream("Hi.")
        assert words(await google.detect({"text": {"text": "Hi."}})) == ["One moment.", "Done."]


async def test_cx_takes_each_kind_of_input():
    async with clients() as (google, vendor):
        assert words(await google.detect({"event": {"event": "WELCOME"}})) == ["You said: WELCOME."]
        assert words(await google.detect({"dtmf": {"digits": "12", "finish_digit": "#"}})) == ["You said: 12."]
        assert words(await google.detect({"text": {"text": ""}})) == ["Hello, this is the stand-in speaking."]
        assert vendor.requests[0].headers["x-goog-request-params"] == f"session={CX_SESSION}"


async def test_cx_calls_tools_at_the_client():
    tool = ("weather", {"city": "Bergen"})
    async with clients(Reply("", [tool, ("clock", {})])) as (google, _):
        answer = await google.detect({"text": {"text": "How is it?"}})
        weather, clock = [message.tool_call for message in answer.query_result.response_messages]
        assert (weather.action, dict(weather.input_parameters)) == tool
        result = {"tool": weather.tool, "action": "weather", "output_parameters": {"sky": "clear"}}
        assert words(await google.detect({"tool_call_result": result})) == []
        with pytest.raises(InvalidArgument, match="no such tool call"):
            await google.detect({"tool_call_result": result})
        with pytest.raises(InvalidArgument, match="is required"):
            await google.detect({"tool_call_result": {"tool": clock.tool, "action": "clock"}})
        failed = {"tool": clock.tool, "action": "clock", "error": {"message": "no clock"}}
        assert words(await google.detect({"tool_call_result": failed})) == [
            'The tool answered {"message": "no clock"}.'
        ]


async def test_cx_says_what_it_wants():
    answer = AgentAnswer("Bye.", ends=True, handoff={"queue": "a"}, transfer="+1", audio_text="<speak>Bye.</speak>")
    async with clients(answer) as (google, _):
        (final,) = await google.stream("Bye.")
        messages = list(final.query_result.response_messages)
        assert ["text" in messages[0], "output_audio_text" in messages[1]] == [True, True]
        assert dict(messages[2].live_agent_handoff.metadata) == {"queue": "a"}
        assert messages[3].telephony_transfer_call.phone_number == "+1"
        assert "end_interaction" in messages[4]


@pytest.mark.parametrize(
    ("query_input", "session", "error"),
    [
        ({"text": {"text": "Hi."}}, f"{CX_AGENT}/session/s", InvalidArgument),
        ({"text": {"text": "Hi."}}, f"{CX_AGENT}/sessions/{'s' * 37}", InvalidArgument),
        ({"text": {"text": "Hi."}}, ES_SESSION, InvalidArgument),
        ({"text": {"text": "Hi."}}, CX_SESSION.replace(PROJECT, "another"), PermissionDenied),
        ({"text": {"text": "Hi."}}, CX_SESSION.replace(AGENT, "another"), NotFound),
        ({"text": {"text": "Hi."}, "language_code": ""}, CX_SESSION, InvalidArgument),
        ({"event": {"event": ""}}, CX_SESSION, InvalidArgument),
        ({}, CX_SESSION, InvalidArgument),
    ],
)
async def test_cx_refuses(query_input, session, error):
    async with clients() as (google, _):
        with pytest.raises(error):
            await google.detect(query_input, session)


async def test_es_answers():
    ending = AgentAnswer("Bye.", ends=True, handoff={"target": "200"})
    context = {"name": f"{ES_SESSION}/contexts/aicall", "lifespan_count": 1}
    async with clients(Reply("Hello."), ending) as (google, _):
        first = await google.detect_es(
            {"event": {"name": "WELCOME", "language_code": "en"}}, query_params={"contexts": [context]}
        )
        assert first.query_result.fulfillment_text == "Hello."
        assert list(first.query_result.fulfillment_messages[0].text.text) == ["Hello."]
        assert not first.query_result.intent.end_interaction
        last = await google.detect_es({"text": {"text": "Bye.", "language_code": "en"}})
        assert last.query_result.intent.end_interaction
        assert last.query_result.intent.live_agent_handoff
        assert last.query_result.diagnostic_info["end_conversation"] is True
        assert [dict(it.payload) for it in last.query_result.fulfillment_messages if "payload" in it] == [
            {"target": "200"}
        ]


TEXT = {"text": "Hi.", "language_code": "en"}


@pytest.mark.parametrize(
    ("query_input", "session", "more", "error"),
    [
        ({"text": TEXT}, CX_SESSION, {}, InvalidArgument),
        ({"text": TEXT}, ES_SESSION.replace(PROJECT, "another"), {}, PermissionDenied),
        ({"text": TEXT | {"text": ""}}, ES_SESSION, {}, InvalidArgument),
        ({"text": TEXT | {"text": "x" * 257}}, ES_SESSION, {}, InvalidArgument),
        ({"text": TEXT | {"language_code": ""}}, ES_SESSION, {}, InvalidArgument),
        ({"text": TEXT}, ES_SESSION, {"query_params": {"contexts": [{"name": "aicall"}]}}, InvalidArgument),
        ({}, ES_SESSION, {}, InvalidArgument),
    ],
)
async def test_es_refuses(query_input, session, more, error):
    async with clients() as (google, _):
        with pytest.raises(error):
            await google.detect_es(query_input, session, **more)


async def test_shows_its_agents():
    async with clients() as (google, _):
        for found in (
            await google.cx_agents.get_agent(name=CX_AGENT, metadata=google.metadata),
            await google.es_agents.get_agent(parent=f"projects/{PROJECT}", metadata=google.metadata),
        ):
            assert found.display_name == "Stand-in"
        with pytest.raises(NotFound):
            await google.cx_agents.get_agent(name=CX_AGENT.replace(AGENT, "another"), metadata=google.metadata)


async def test_a_request_must_be_routed():
    async with clients() as (google, vendor):
        channel = grpc.aio.insecure_channel(vendor.base_url.removeprefix("http://"))
        async with channel:
            method = channel.unary_unary(
                "/google.cloud.dialogflow.cx.v3.Sessions/DetectIntent", cx.DetectIntentRequest.serialize
            )
            with pytest.raises(grpc.aio.AioRpcError, match="x-goog-request-params"):
                await method(cx.DetectIntentRequest(session=CX_SESSION), metadata=google.metadata)


async def test_another_account_is_refused():
    async with clients(account=service_account("stranger")) as (google, _):
        with pytest.raises(Unauthenticated):
            await google.detect({"text": {"text": "Hi."}})


async def test_an_answer_may_be_cut_short():
    async with clients(AgentAnswer(parts=("One moment.", "Done.")), cut_short=True) as (google, _):
        assert words(*await google.stream("Hi.")) == ["One moment."]
        with pytest.raises(GoogleAPICallError):
            await google.detect({"text": {"text": "Hi."}}, session="")
