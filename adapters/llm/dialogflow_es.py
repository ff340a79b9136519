"""Dialogflow ES (https://cloud.google.com/dialogflow/es/docs/reference/rpc/google.cloud.dialogflow.v2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.cloud.dialogflow_v2 import (
    Context,
    DetectIntentRequest,
    DetectIntentResponse,
    EventInput,
    Intent,
    QueryInput,
    QueryParameters,
    QueryResult,
    TextInput,
)

from adapters.llm.dialogflow_session import AgentInput, AgentReply, Event, Keys, ToolDone, Words

_SERVICE = "/google.cloud.dialogflow.v2.Sessions"

_TEXT_LENGTH = 256
"""Longest text of a request, characters."""

_TURNS = 100
"""How many requests the call's context lasts."""


class EsApi:
    """One session with an agent.

    Args:
        agent: The agent's resource name.
        environment: Id of the environment; '' for the draft.
        session_id: The session, 36 characters at most.
        language: BCP 47 tag.
    """

    methods: Sequence[str] = (f"{_SERVICE}/DetectIntent",)
    # An empty text is refused, and there is no event for it that every agent has.
    silence: AgentInput | None = None

    def __init__(self, agent: str, environment: str, session_id: str, language: str) -> None:
        parent = f"{agent}/environments/{environment}/users/-" if environment else agent
        self.session = f"{parent}/sessions/{session_id}"
        self._language = language

    def request(self, said: AgentInput, parameters: Mapping[str, Any]) -> bytes:
        """Make a request; see `AgentApi.request`. The parameters become a context ``aicall``."""
        request = DetectIntentRequest(session=self.session, query_input=self._input(said))
        if parameters:
            context = Context(
                name=f"{self.session}/contexts/aicall", lifespan_count=_TURNS, parameters=dict(parameters)
            )
            request.query_params = QueryParameters(contexts=[context])
        return bytes(DetectIntentRequest.serialize(request))

    def reply(self, message: bytes) -> AgentReply:
        """Read the answer; see `AgentApi.reply`."""
        result = DetectIntentResponse.deserialize(message).query_result
        return AgentReply(
            texts=_texts(result),
            ends=result.intent.end_interaction or _field(result, "end_conversation") is True,
            handoff=_payload(result) if result.intent.live_agent_handoff else None,
        )

    def _input(self, said: AgentInput) -> QueryInput:
        match said:
            case Event():
                return QueryInput(event=EventInput(name=said.name, language_code=self._language))
            case Words():
                text = shortened(said.text)
            case Keys():
                text = said.digits or said.finish
            case ToolDone():
                raise TypeError("an agent of Dialogflow ES calls no tools")
        return QueryInput(text=TextInput(text=text, language_code=self._language))


def shortened(text: str) -> str:
    """Return the end of a text that is too long for Dialogflow ES, which refuses it: a caller comes to the point last.

    Args:
        text: What the caller said.

    Returns:
        256 characters at most, cut at a space where there is one.
    """
    if len(text) <= _TEXT_LENGTH:
        return text
    end = text[-_TEXT_LENGTH:]
    if not text[-_TEXT_LENGTH - 1].isspace():
        _, _, behind = end.partition(" ")
        end = behind or end
    return end.strip()


def _texts(result: QueryResult) -> tuple[str, ...]:
    unspecified = Intent.Message.Platform.PLATFORM_UNSPECIFIED
    messages = [it for it in result.fulfillment_messages if it.platform == unspecified and "text" in it]
    texts = [" ".join(it.text.text) for it in messages] or [result.fulfillment_text]
    return tuple(text for text in texts if text.strip())


def _payload(result: QueryResult) -> dict[str, Any]:
    """The fields of the agent's custom payloads and of its webhook's."""
    fields: dict[str, Any] = {}
    for it in result.fulfillment_messages:
        if "payload" in it:
            fields |= Intent.Message.to_dict(it).get("payload") or {}
    return fields | (QueryResult.to_dict(result).get("webhook_payload") or {})


def _field(result: QueryResult, name: str) -> Any:
    fields = result.diagnostic_info
    return fields[name] if fields and name in fields else None
