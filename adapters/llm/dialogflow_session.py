"""What is said to a Dialogflow agent and what it answers, the same for both of its APIs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.etree import ElementTree as ET

from pydantic import SecretStr

from adapters.requests import Credentials

HOST = "https://dialogflow.googleapis.com"
"""The endpoint of agents that are in no region."""

AUDIENCE = f"{HOST}/"
"""What the account's tokens are for, whichever region is asked."""

GLOBAL = "global"
"""The location of agents that are in no region."""

_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Words:
    """What the caller said.

    Attributes:
        text: The words; '' for a caller who said nothing, or nothing that was understood.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that the caller pressed.

    Attributes:
        digits: The keys, without the one that ended the entry.
        finish: The key that ended it; '' for none.
    """

    digits: str
    finish: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        name: Its name in the agent.
    """

    name: str


@dataclass(frozen=True, slots=True)
class ToolDone:
    """What came of a tool that the agent had called.

    Attributes:
        call: The call.
        result: What the tool reports; None when there is no such tool or it was cancelled.
    """

    call: AgentCall
    result: Mapping[str, Any] | None


AgentInput = Words | Keys | Event | ToolDone


@dataclass(frozen=True, slots=True)
class AgentCall:
    """A tool that the agent calls.

    Attributes:
        tool: The tool's resource name.
        action: What the tool is called by.
        arguments: Its arguments.
    """

    tool: str
    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentReply:
    """One message of an answer.

    Attributes:
        texts: What to say, one text for each of the agent's responses.
        final: Whether it is the last message.
        ends: Whether the conversation is over.
        handoff: What the agent says about the person who is to take over; None when nobody is.
        calls: Tools to call.
    """

    texts: tuple[str, ...] = ()
    final: bool = True
    ends: bool = False
    handoff: Mapping[str, Any] | None = None
    calls: tuple[AgentCall, ...] = ()


class AgentApi(Protocol):
    """One of the two APIs, for one session.

    Attributes:
        session: The session's resource name.
        methods: Paths of the methods that serve a request, the best first.
        silence: How a caller who said nothing is told of; None when the API has no way to.
    """

    session: str
    methods: Sequence[str]
    silence: AgentInput | None

    def request(self, said: AgentInput, parameters: Mapping[str, Any]) -> bytes:
        """Make a request, serialized.

        Args:
            said: What to say to the agent.
            parameters: What the agent is to remember for the session; empty for nothing new.
        """

    def reply(self, message: bytes) -> AgentReply:
        """Read a message of the answer.

        Raises:
            Exception: It is none.
        """


def agent_name(options: Mapping[str, str], key: SecretStr, *, es: bool) -> str:
    """Return the resource name of an agent.

    Args:
        options: ``project``, ``location`` and ``agent``.
        key: The service account, whose project is taken when no other is given.
        es: Whether it is an agent of Dialogflow ES, of which a project has one in each location.
    """
    location = options.get("location") or GLOBAL
    project = f"projects/{options.get('project') or _project_of(key)}"
    if not es:
        return f"{project}/locations/{location}/agents/{options.get('agent', '')}"
    return f"{project}/agent" if location == GLOBAL else f"{project}/locations/{location}/agent"


def regional(credentials: Credentials, options: Mapping[str, str]) -> Credentials:
    """Return the credentials with the endpoint of the agent's region, unless there is another endpoint.

    https://cloud.google.com/dialogflow/cx/docs/how/region

    Args:
        credentials: Key and endpoint.
        options: ``location``.
    """
    location = options.get("location") or GLOBAL
    if credentials.base_url != HOST or location == GLOBAL:
        return credentials
    return Credentials(credentials.key, f"https://{location}-dialogflow.googleapis.com")


def session_parameters(init_prompt: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what an agent is told of a call.

    A variable ``call.from`` becomes the field ``from`` of ``call``, so that an agent reads it as
    ``$session.params.call.from``.

    Args:
        init_prompt: The AI's system prompt; as ``init_prompt`` where there is one.
        variables: The call's variables.
    """
    parameters: dict[str, Any] = {"init_prompt": init_prompt} if init_prompt else {}
    for name, value in sorted(variables.items()):
        *parents, last = [part for part in name.split(".") if part] or [name]
        fields = parameters
        for parent in parents:
            inner = fields.setdefault(parent, {})
            if not isinstance(inner, dict):
                # There is a variable ``a`` beside ``a.b``: the longer name stays as it is.
                fields, last = parameters, name
                break
            fields = inner
        fields[last] = value
    return parameters


def handoff_arguments(metadata: Mapping[str, Any], target: str) -> dict[str, Any] | None:
    """Return the arguments of ``connect_call`` for a handoff.

    Google imposes no structure on what an agent says of the person who is to take over. What is understood:
    ``destinations`` (and ``source``) as the tool takes them, or ``phone_number``, ``destination`` or ``target``.

    Args:
        metadata: What the agent says.
        target: ``TYPE:TARGET`` of who takes over where the agent does not say; '' for nobody.

    Returns:
        The arguments; None when it is not known who takes over.
    """
    if isinstance(metadata.get("destinations"), list):
        arguments = {"destinations": metadata["destinations"]}
    else:
        names = ("phone_number", "destination", "target")
        named = next((str(metadata[name]) for name in names if metadata.get(name)), "")
        kind = str(metadata.get("type") or "tel")
        if not named:
            kind, _, named = target.partition(":")
        if not named:
            return None
        arguments = {"destinations": [{"type": kind, "target": named}]}
    return arguments | ({"source": metadata["source"]} if metadata.get("source") else {})


def plain_text(ssml: str) -> str:
    """Return the words of SSML: every voice says them, and not every voice reads SSML.

    Args:
        ssml: A document or a part of one.
    """
    try:
        # Expanding entities is left to the fallback, which knows none: a document may nest them without end.
        if "<!" in ssml:
            raise ET.ParseError
        text = "".join(ET.fromstring(f"<s>{ssml}</s>").itertext())  # noqa: S314
    except ET.ParseError:
        text = _TAG.sub(" ", ssml)
    return " ".join(text.split())


def result_of(content: Any) -> Mapping[str, Any] | None:
    """Read the result of a tool as Pipecat's context holds it.

    Args:
        content: The content of a message with the role ``tool``.

    Returns:
        The result; None when the call was cancelled.
    """
    if content == "CANCELLED":
        return None
    try:
        result = json.loads(content)
    except (TypeError, ValueError):
        result = content
    return result if isinstance(result, dict) else {"result": result}


def _project_of(key: SecretStr) -> str:
    try:
        fields = json.loads(key.get_secret_value())
    except ValueError:
        return ""
    return str(fields.get("project_id", "")) if isinstance(fields, dict) else ""
