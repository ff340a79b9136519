"""Dialogflow CX (https://cloud.google.com/dialogflow/cx/docs/reference/rpc/google.cloud.dialogflow.cx.v3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.cloud.dialogflowcx_v3 import (
    DetectIntentRequest,
    DetectIntentResponse,
    DetectIntentResponseView,
    DtmfInput,
    EventInput,
    QueryInput,
    QueryParameters,
    ResponseMessage,
    TextInput,
    ToolCallResult,
)

from adapters.llm.dialogflow_session import (
    AgentCall,
    AgentInput,
    AgentReply,
    Event,
    Keys,
    ToolDone,
    Words,
    plain_text,
)

_SERVICE = "/google.cloud.dialogflow.cx.v3.Sessions"


class CxApi:
    """One session with an agent.

    Args:
        agent: The agent's resource name.
        environment: Id of the environment; '' for the draft.
        session_id: The session, 36 characters at most.
        language: BCP 47 tag.
    """

    methods: Sequence[str] = (f"{_SERVICE}/ServerStreamingDetectIntent", f"{_SERVICE}/DetectIntent")
    # An empty text is what Dialogflow calls no input
    # (https://cloud.google.com/dialogflow/cx/docs/concept/handler#event-built-in).
    silence: AgentInput | None = Words("")

    def __init__(self, agent: str, environment: str, session_id: str, language: str) -> None:
        parent = f"{agent}/environments/{environment}" if environment else agent
        self.session = f"{parent}/sessions/{session_id}"
        self._language = language

    def request(self, said: AgentInput, parameters: Mapping[str, Any]) -> bytes:
        """Make a request; see `AgentApi.request`."""
        request = DetectIntentRequest(
            session=self.session,
            query_input=QueryInput(language_code=self._language, **_input(said)),
            response_view=DetectIntentResponseView.DETECT_INTENT_RESPONSE_VIEW_BASIC,
        )
        if parameters:
            request.query_params = QueryParameters(parameters=dict(parameters))
        return bytes(DetectIntentRequest.serialize(request))

    def reply(self, message: bytes) -> AgentReply:
        """Read a message of the answer; see `AgentApi.reply`."""
        response = DetectIntentResponse.deserialize(message)
        messages = list(response.query_result.response_messages)
        handoffs = [handoff for it in messages if (handoff := _handoff(it)) is not None]
        return AgentReply(
            texts=_texts(messages),
            final=response.response_type != DetectIntentResponse.ResponseType.PARTIAL,
            ends=any("end_interaction" in it for it in messages),
            handoff=handoffs[0] if handoffs else None,
            calls=tuple(_call(it) for it in messages if "tool_call" in it),
        )


def _input(said: AgentInput) -> dict[str, Any]:
    match said:
        case Words():
            return {"text": TextInput(text=said.text)}
        case Keys():
            return {"dtmf": DtmfInput(digits=said.digits, finish_digit=said.finish)}
        case Event():
            return {"event": EventInput(event=said.name)}
        case ToolDone():
            result: dict[str, Any] = {"tool": said.call.tool, "action": said.call.action}
            if said.result is None:
                result["error"] = ToolCallResult.Error(message="the tool could not be called")
            else:
                result["output_parameters"] = dict(said.result)
            return {"tool_call_result": ToolCallResult(**result)}


def _texts(messages: Sequence[ResponseMessage]) -> tuple[str, ...]:
    """What is to be spoken: where there is text for that purpose, nothing else."""
    spoken = [it.output_audio_text for it in messages if "output_audio_text" in it]
    if spoken:
        texts = [plain_text(it.ssml) if it.ssml else it.text for it in spoken]
    else:
        texts = [" ".join(it.text.text) for it in messages if "text" in it]
    return tuple(text for text in texts if text.strip())


def _handoff(message: ResponseMessage) -> Mapping[str, Any] | None:
    if "live_agent_handoff" in message:
        fields = ResponseMessage.LiveAgentHandoff.to_dict(message.live_agent_handoff)
        return dict(fields.get("metadata") or {})
    if "telephony_transfer_call" in message:
        return {"phone_number": message.telephony_transfer_call.phone_number}
    return None


def _call(message: ResponseMessage) -> AgentCall:
    fields = type(message.tool_call).to_dict(message.tool_call)
    return AgentCall(fields["tool"], fields["action"], fields.get("input_parameters") or {})
