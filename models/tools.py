"""The built-in tool functions: names, descriptions, JSON Schemas, and which of them an AI may call (seed 003).

The table says what the model is told. What a tool does stands in ``pipelines/tools``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ALL_TOOLS = "all"
"""The word in ``tool_names`` that enables every tool."""

RUN_LLM = "run_llm"
"""The argument by which the model says whether it wants to speak again after the result."""


class ToolState(StrEnum):
    """How a tool call ended. Each one ends in exactly one of these."""

    DONE = "done"
    FAILED = "failed"
    """The tool could not do it; the model was told why."""
    CANCELLED = "cancelled"
    """The caller went on speaking, or the call ended."""
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool as the model sees it.

    Attributes:
        name: Function name.
        description: When to call it and when not, written for the model.
        properties: JSON Schema of each argument.
        required: Arguments that must be given.
        run_llm: Whether the model speaks again after the result, unless the tool fails (a failure always runs it).
        takes_run_llm: Whether the model may say so itself, by the argument ``run_llm``.
        effect: Whether it changes something outside that cannot be undone. Such a call goes on when the caller
            interrupts, and one that the model repeats because of it is not carried out twice.
        after_goodbye: Whether what was said before is played to its end first, since the tool ends the conversation.
        deadline_s: Longest it may take, seconds; None for the usual.
        schema: The arguments' whole JSON Schema, where it is not made of `properties` and `required`.
    """

    name: str
    description: str
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: Sequence[str] = ()
    run_llm: bool = True
    takes_run_llm: bool = True
    effect: bool = False
    after_goodbye: bool = False
    deadline_s: float | None = None
    schema: Mapping[str, Any] | None = None

    def json_schema(self) -> dict[str, Any]:
        """Return the arguments' JSON Schema; arguments that it does not name are refused, unless `schema` allows."""
        if self.schema is not None:
            return dict(self.schema)
        return {
            "type": "object",
            "properties": self.shown_properties(),
            "required": list(self.required),
            "additionalProperties": False,
        }

    def shown_properties(self) -> dict[str, dict[str, Any]]:
        """Return the JSON Schema of each argument as the model is shown it."""
        shown = {name: dict(schema) for name, schema in self.properties.items()}
        if self.takes_run_llm:
            default = "true" if self.run_llm else "false"
            shown[RUN_LLM] = {
                "type": "boolean",
                "description": f"Whether you want to speak again after the result. Default {default}.",
            }
        return shown


_ADDRESS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "Kind of address, for example tel, sip, extension, agent, email."},
        "target": {"type": "string", "description": "The address itself, for example +15551230001."},
        "target_name": {"type": "string", "description": "Name to show."},
    },
    "required": ["type", "target"],
    "additionalProperties": False,
}
_ADDRESSES: dict[str, Any] = {
    "type": "array",
    "items": _ADDRESS,
    "minItems": 1,
    "maxItems": 20,
    "description": "Where to.",
}
_STRING_MAP: dict[str, Any] = {"type": "object", "maxProperties": 100, "additionalProperties": {"type": "string"}}

TOOLS: dict[str, ToolDefinition] = {
    tool.name: tool
    for tool in (
        ToolDefinition(
            "connect_call",
            "Connect the caller to a person, an extension or another number; your part of the call ends by it. "
            "WHEN TO USE: the caller asks for someone, or you cannot help. Say in the same answer that you connect "
            "them: it is played to its end first. WHEN NOT TO USE: to call somebody else beside this call (create_call)"
            ", or to end the call (stop_service).",
            {
                "source": _ADDRESS,
                "destinations": _ADDRESSES,
                "mode": {
                    "type": "string",
                    "enum": ["cold", "warm"],
                    "description": "cold (default): connected at once. warm: the person is called first and told the "
                    "summary while the caller stays with you; when nobody answers you go on with the caller.",
                },
                "summary": {
                    "type": "string",
                    "maxLength": 500,
                    "description": "For warm: what the person is told before the caller joins, in their language.",
                },
            },
            ("destinations",),
            run_llm=False,
            effect=True,
            after_goodbye=True,
            # In a warm transfer somebody's phone rings.
            deadline_s=60.0,
        ),
        ToolDefinition(
            "send_email",
            "Send an email. WHEN TO USE: the caller wants something in writing by email and has given the address; "
            "read the address back before. WHEN NOT TO USE: for a text message to a phone (send_message).",
            {
                "destinations": {**_ADDRESSES, "description": "Recipients: type email, target the email address."},
                "subject": {"type": "string", "minLength": 1, "maxLength": 250, "description": "Subject line."},
                "content": {"type": "string", "maxLength": 50_000, "description": "Body, plain text."},
            },
            ("destinations", "subject", "content"),
            effect=True,
        ),
        ToolDefinition(
            "send_message",
            "Send a text message (SMS). WHEN TO USE: the caller wants a confirmation, an address or a link on their "
            "phone. WHEN NOT TO USE: to answer what the caller said; speak instead.",
            {
                "source": _ADDRESS,
                "destinations": _ADDRESSES,
                "text": {"type": "string", "minLength": 1, "maxLength": 2_000, "description": "The message."},
            },
            ("destinations", "text"),
            effect=True,
        ),
        ToolDefinition(
            "stop_media",
            "Stop what is playing to the caller at once, your own voice included. WHEN TO USE: the caller asks you to "
            "stop talking or to stop the music. WHEN NOT TO USE: to end the call (stop_service).",
            run_llm=False,
        ),
        ToolDefinition(
            "stop_service",
            "End your part of the call. WHEN TO USE: the caller says goodbye, or the task is done. Say goodbye in the "
            "same answer: it is played to its end first. WHEN NOT TO USE: the caller still wants something, or wants "
            "to speak to a person (connect_call).",
            run_llm=False,
            takes_run_llm=False,
        ),
        ToolDefinition(
            "stop_flow",
            "End the whole call flow, whatever would come after you. WHEN TO USE: the call is to be over altogether. "
            "Say goodbye in the same answer: it is played to its end first. WHEN NOT TO USE: something is to follow "
            "your part of the call (stop_service).",
            run_llm=False,
            takes_run_llm=False,
            effect=True,
            after_goodbye=True,
        ),
        ToolDefinition(
            "set_variables",
            "Remember values for the rest of the call and for the systems behind it. WHEN TO USE: the caller has given "
            "something that will be needed later: a name, a number, a decision. WHEN NOT TO USE: to say something.",
            {"variables": {**_STRING_MAP, "minProperties": 1, "description": "Names and values, both text."}},
            ("variables",),
        ),
        ToolDefinition(
            "get_variables",
            "Read all values remembered so far. WHEN TO USE: you need what the systems around this call know of it. "
            "WHEN NOT TO USE: for what was said in this conversation; you know it.",
        ),
        ToolDefinition(
            "get_aicall_messages",
            "Read the messages of an AI call: this one when no id is given, or an earlier one. WHEN TO USE: the caller "
            "refers to an earlier call whose id you know. WHEN NOT TO USE: for what was said just now.",
            {"aicall_id": {"type": "string", "format": "uuid", "description": "Id of the AI call; default this one."}},
        ),
        ToolDefinition(
            "search_knowledge",
            "Search the knowledge base. WHEN TO USE: before you answer a question on facts: products, prices, rules, "
            "opening hours. WHEN NOT TO USE: for small talk, or for what the caller has told you.",
            {
                "query": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1_000,
                    "description": "What to look for, in full words.",
                }
            },
            ("query",),
        ),
        ToolDefinition(
            "create_call",
            "Place a new, independent outgoing call. WHEN TO USE: somebody else is to be called, now, beside this "
            "call. WHEN NOT TO USE: to connect this caller to somebody (connect_call).",
            {
                "flow_id": {"type": "string", "format": "uuid", "description": "Flow that the new call runs."},
                "source": _ADDRESS,
                "destinations": _ADDRESSES,
                "variables": {**_STRING_MAP, "description": "Variables of the new call."},
            },
            ("destinations",),
            effect=True,
        ),
    )
}
"""Every tool of the seeds, by name."""


def check_tool_names(names: Sequence[str]) -> None:
    """Refuse a ``tool_names`` list that holds a name nobody knows.

    Raises:
        ValueError: Names that are neither ``all`` nor in the table.
    """
    unknown = [name for name in names if name != ALL_TOOLS and name not in TOOLS]
    if unknown:
        raise ValueError(f"unknown tool {', '.join(map(repr, unknown))}; known: {ALL_TOOLS}, {', '.join(TOOLS)}")


def enabled_tools(names: Sequence[str] | None, *, has_knowledge: bool) -> list[ToolDefinition]:
    """Return the tools that an AI may call, in table order.

    Args:
        names: The AI's ``tool_names``: None or empty for none, ``["all"]`` for every tool, else the names.
        has_knowledge: Whether the AI has a knowledge base; without one ``search_knowledge`` is never offered.
    """
    wanted = set(names or ())
    return [
        tool
        for tool in TOOLS.values()
        if (ALL_TOOLS in wanted or tool.name in wanted) and (has_knowledge or tool.name != "search_knowledge")
    ]
