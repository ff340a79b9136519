"""Google Dialogflow over gRPC: ``DetectIntent`` and ``GetAgent`` of CX and ES, ``ServerStreamingDetectIntent`` of CX.

Written after https://cloud.google.com/dialogflow/cx/docs/reference/rpc/google.cloud.dialogflow.cx.v3,
https://cloud.google.com/dialogflow/es/docs/reference/rpc/google.cloud.dialogflow.v2, the built-in events of
https://cloud.google.com/dialogflow/cx/docs/concept/handler and https://google.aip.dev/client-libraries/4222 (the header
by which Google finds the region of a session); checked against ``google-cloud-dialogflow-cx`` and
``google-cloud-dialogflow``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs

from google.cloud import dialogflow_v2 as es
from google.cloud import dialogflowcx_v3 as cx

from tests.standins.google_accounts import GoogleStandIn
from tests.standins.grpc_base import GrpcCall, GrpcError, Method
from tests.standins.replies import ChatMessage, ChatRequest, Reply, ReplyScript, Script

PROJECT = "stand-in-project"
AGENT = "b1808233-450b-4065-9492-bc9b40151641"
"""The agents that exist: this one of CX and one of ES, in every location of the project."""

_CX = "/google.cloud.dialogflow.cx.v3"
_ES = "/google.cloud.dialogflow.v2"
_CX_AGENT = re.compile(r"projects/([^/]+)/locations/([^/]+)/agents/([^/]+)")
_CX_SESSION = re.compile(rf"({_CX_AGENT.pattern})(?:/environments/[^/]+)?/sessions/[^/]{{1,36}}")
_ES_AGENT = re.compile(r"projects/([^/]+)(?:/locations/([^/]+))?")
_ES_SESSION = re.compile(rf"({_ES_AGENT.pattern})/agent(?:/environments/[^/]+/users/[^/]+)?/sessions/[^/]{{1,36}}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TEXT_LENGTH = 256
_PARTIALS = 5
"""Most partial responses of an answer, as the documents say of ``StreamingDetectIntentResponse``."""


@dataclass(frozen=True)
class AgentAnswer(Reply):
    """What an agent answers beyond words and tools.

    Attributes:
        ends: Whether the conversation ends.
        handoff: What the agent says of the person who is to take over; None for nobody.
        transfer: Telephone number that CX wants the call transferred to.
        audio_text: Text or SSML for speech, which CX prefers to the words.
        parts: Whole responses, each with a text of its own, of which all but the last are partial ones.
        repeats: Whether the last response of the parts repeats those before it.
    """

    ends: bool = False
    handoff: Mapping[str, Any] | None = None
    transfer: str = ""
    audio_text: str = ""
    parts: tuple[str, ...] = ()
    repeats: bool = False


@dataclass
class _Session:
    messages: list[ChatMessage] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)


class DialogflowStandIn(GoogleStandIn):
    """Dialogflow on loopback.

    A text is answered by the script, and so is an event. A caller who says nothing is what CX calls no input.

    Args:
        reply: What the agents answer.
        first_token_s: Wait before the first word, seconds.
        token_interval_s: Wait between words, seconds.
        streams: Whether CX has its streaming method.
        cut_short: Whether the last message of CX's answers is left out.
        **common: Arguments of `GoogleStandIn`.

    Attributes:
        replies_given: How many replies of the script were taken, sent or not.
    """

    AUDIENCE = "https://dialogflow.googleapis.com/"
    METHODS: ClassVar[Mapping[str, Method]] = {
        f"{_CX}.Sessions/ServerStreamingDetectIntent": Method(
            "stream", cx.DetectIntentRequest, cx.DetectIntentResponse
        ),
        f"{_CX}.Sessions/DetectIntent": Method("detect", cx.DetectIntentRequest, cx.DetectIntentResponse),
        f"{_CX}.Agents/GetAgent": Method("agent", cx.GetAgentRequest, cx.Agent),
        f"{_ES}.Sessions/DetectIntent": Method("es", es.DetectIntentRequest, es.DetectIntentResponse),
        f"{_ES}.Agents/GetAgent": Method("es_agent", es.GetAgentRequest, es.Agent),
    }

    def __init__(
        self,
        *,
        reply: ReplyScript | None = None,
        first_token_s: float = 0.0,
        token_interval_s: float = 0.0,
        streams: bool = True,
        cut_short: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.first_token_s = first_token_s
        self.token_interval_s = token_interval_s
        self.streams = streams
        self.cut_short = cut_short
        self.replies_given = 0
        self._script = Script(reply)
        self._sessions: dict[str, _Session] = {}

    async def answer(self, call: GrpcCall) -> None:
        """Serve one call."""
        if call.endpoint == "stream" and not self.streams:
            raise GrpcError(501)
        request = await call.read()
        if request is None or await call.read() is not None:
            raise GrpcError(500, "The method takes one request.")
        match call.endpoint:
            case "es":
                await self._detect_es(call, request)
            case "es_agent":
                await self._agent_es(call, request)
            case "agent":
                await self._agent_cx(call, request)
            case _:
                await self._detect_cx(call, request)

    async def _agent_cx(self, call: GrpcCall, request: Any) -> None:
        _check_route(call, "name", request.name)
        _check_agent(_CX_AGENT.fullmatch(request.name))
        await call.send(cx.Agent(name=request.name, display_name="Stand-in", default_language_code="en"))

    async def _agent_es(self, call: GrpcCall, request: Any) -> None:
        _check_route(call, "parent", request.parent)
        _check_agent(_ES_AGENT.fullmatch(request.parent))
        await call.send(es.Agent(parent=request.parent, display_name="Stand-in", default_language_code="en"))

    async def _detect_cx(self, call: GrpcCall, request: Any) -> None:
        found = _CX_SESSION.fullmatch(request.session)
        _check_route(call, "session", request.session)
        agent = _check_agent(found and _CX_AGENT.fullmatch(found[1]))
        _check_language(request.query_input.language_code)
        session = self._sessions.setdefault(request.session, _Session())
        said = _cx_said(session, request.query_input)
        session.messages.append(said)
        if session.calls:
            await call.send(_cx_response([], final=True))
            return
        reply = await self._reply("cx", session, request)
        *partials, last = _responses(reply, streams=call.endpoint == "stream")
        await asyncio.sleep(self._first_s(reply))
        if call.endpoint == "stream":
            for text in partials:
                await asyncio.sleep(self._interval_s(reply))
                await call.send(_cx_response([_cx_text(text)], final=False))
        before = partials if call.endpoint == "detect" or getattr(reply, "repeats", False) else []
        messages = [_cx_text(text) for text in (*before, last) if text]
        messages += _cx_extras(reply)
        for name, arguments in reply.tool_calls:
            tool = f"{agent}/tools/{name}-id"
            session.calls.append((tool, name))
            messages.append({"tool_call": {"tool": tool, "action": name, "input_parameters": arguments}})
        await asyncio.sleep(self._interval_s(reply) * len(last.split()))
        if getattr(reply, "ends", False):
            messages.append({"end_interaction": {}})
            del self._sessions[request.session]
        if not self.cut_short:
            await call.send(_cx_response(messages, final=True))

    async def _detect_es(self, call: GrpcCall, request: Any) -> None:
        found = _ES_SESSION.fullmatch(request.session)
        _check_route(call, "session", request.session)
        _check_agent(found and _ES_AGENT.fullmatch(found[1]))
        for context in request.query_params.contexts:
            if not context.name.startswith(f"{request.session}/contexts/"):
                raise GrpcError(400, "Context name does not belong to the session.")
        match es.QueryInput.pb(request.query_input).WhichOneof("input"):
            case "text":
                given, said = request.query_input.text, request.query_input.text.text
                if not said:
                    raise GrpcError(400, "Input text not set.")
                if len(said) > _TEXT_LENGTH:
                    raise GrpcError(400, "Input text exceeds 256 characters.")
            case "event":
                given, said = request.query_input.event, request.query_input.event.name
            case _:
                raise GrpcError(400, "Query input is required.")
        _check_language(given.language_code)
        session = self._sessions.setdefault(request.session, _Session())
        session.messages.append(ChatMessage("user", said))
        reply = await self._reply("es", session, request)
        await asyncio.sleep(self._first_s(reply) + self._interval_s(reply) * len(reply.full_text.split()))
        ends, handoff = getattr(reply, "ends", False), getattr(reply, "handoff", None)
        texts = [text for text in (getattr(reply, "parts", ()) or (reply.full_text,)) if text]
        messages: list[dict[str, Any]] = [{"text": {"text": [text]}} for text in texts]
        messages.append({"platform": "FACEBOOK", "text": {"text": ["Not for the telephone."]}})
        if handoff:
            messages.append({"payload": handoff})
        result = es.QueryResult(
            query_text=said,
            language_code=given.language_code,
            fulfillment_text=" ".join(texts),
            fulfillment_messages=messages,
            intent={"display_name": "any", "end_interaction": ends, "live_agent_handoff": handoff is not None},
            diagnostic_info={"end_conversation": True} if ends else {},
        )
        await call.send(es.DetectIntentResponse(response_id="1", query_result=result))

    async def _reply(self, model: str, session: _Session, request: Any) -> Reply:
        body = type(request).to_dict(request)
        reply = await self._script.reply(ChatRequest(model, tuple(session.messages), (), body))
        self.replies_given += 1
        session.messages.append(ChatMessage("assistant", reply.full_text))
        return reply

    def _first_s(self, reply: Reply) -> float:
        return self.first_token_s if reply.first_token_s is None else reply.first_token_s

    def _interval_s(self, reply: Reply) -> float:
        return self.token_interval_s if reply.token_interval_s is None else reply.token_interval_s


def _responses(reply: Reply, *, streams: bool) -> list[str]:
    """The texts of the responses: some partial ones and the last."""
    parts = getattr(reply, "parts", ())
    if parts:
        return list(parts)
    words = reply.text.split()
    if not streams or reply.chunks is not None or len(words) < 2 or " ".join(words) != reply.text.strip():
        return [reply.full_text]
    count = min(_PARTIALS, len(words) - 1)
    return [*words[:count], " ".join(words[count:])]


def _cx_said(session: _Session, query: Any) -> ChatMessage:
    """What a request says to the agent."""
    match cx.QueryInput.pb(query).WhichOneof("input"):
        case "text":
            return ChatMessage("user", query.text.text)
        case "dtmf":
            return ChatMessage("user", query.dtmf.digits)
        case "event" if query.event.event:
            return ChatMessage("user", query.event.event)
        case "tool_call_result":
            done = query.tool_call_result
            if (done.tool, done.action) not in session.calls:
                raise GrpcError(400, "There is no such tool call in the session.")
            if "error" not in done and "output_parameters" not in done:
                raise GrpcError(400, "Either error or output_parameters is required.")
            session.calls.remove((done.tool, done.action))
            fields = type(done).to_dict(done)
            result = fields.get("output_parameters") or fields["error"]
            return ChatMessage("tool", json.dumps(result, ensure_ascii=False))
    raise GrpcError(400, "Query input is required.")


def _cx_response(messages: list[dict[str, Any]], *, final: bool) -> cx.DetectIntentResponse:
    kinds = cx.DetectIntentResponse.ResponseType
    return cx.DetectIntentResponse(
        response_id="1",
        response_type=kinds.FINAL if final else kinds.PARTIAL,
        query_result=cx.QueryResult(response_messages=messages),
    )


def _cx_text(text: str) -> dict[str, Any]:
    return {"text": {"text": [text]}}


def _cx_extras(reply: Reply) -> list[dict[str, Any]]:
    if not isinstance(reply, AgentAnswer):
        return []
    messages: list[dict[str, Any]] = []
    if reply.audio_text:
        kind = "ssml" if reply.audio_text.startswith("<") else "text"
        messages.append({"output_audio_text": {kind: reply.audio_text}})
    if reply.handoff is not None:
        messages.append({"live_agent_handoff": {"metadata": dict(reply.handoff)}})
    if reply.transfer:
        messages.append({"telephony_transfer_call": {"phone_number": reply.transfer}})
    return messages


def _check_agent(found: re.Match[str] | None) -> str:
    if found is None:
        raise GrpcError(400, "Resource name does not match the expected format.")
    if found[1] != PROJECT:
        raise GrpcError(403, f"IAM permission 'dialogflow.sessions.detectIntent' on 'projects/{found[1]}' denied.")
    if len(found.groups()) > 2 and found[3] != AGENT:
        raise GrpcError(404, f"Agent '{found[3]}' not found.")
    return found[0]


def _check_language(code: str) -> None:
    if not _LANGUAGE.fullmatch(code):
        raise GrpcError(400, "Language code is required, as a BCP-47 tag.")


def _check_route(call: GrpcCall, name: str, value: str) -> None:
    """Check the header by which Google's front finds the region of a resource."""
    if parse_qs(call.headers.get("x-goog-request-params", "")).get(name) != [value]:
        raise GrpcError(400, f"x-goog-request-params must name the {name} of the request.")
