"""The built-in tool functions: names, descriptions, JSON Schemas, and which of them an AI may call (seed 003).

The table says what the model is told. What a tool does stands in ``pipelines/tools``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ALL_TOOLS = "all"
"""The word in ``tool_names`` that enables every tool."""


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool as the model sees it.

    Attributes:
        name: Function name.
        description: When to call it, written for the model.
        properties: JSON Schema of each argument.
        required: Arguments that must be given.
        run_llm: Whether the model speaks again after the result, unless the tool fails (a failure always runs it).
    """

    name: str
    description: str
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: Sequence[str] = ()
    run_llm: bool = True

    def json_schema(self) -> dict[str, Any]:
        """Return the arguments' JSON Schema; arguments that it does not name are refused."""
        return {
            "type": "object",
            "properties": {name: dict(schema) for name, schema in self.properties.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


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
_ADDRESSES: dict[str, Any] = {"type": "array", "items": _ADDRESS, "minItems": 1, "description": "Where to."}
_STRING_MAP: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}

TOOLS: dict[str, ToolDefinition] = {
    tool.name: tool
    for tool in (
        ToolDefinition(
            "connect_call",
            "Connect the caller to a person, an extension or another number. Call it when the caller asks for someone "
            "or when you cannot help.",
            {"source": _ADDRESS, "destinations": _ADDRESSES},
            ("destinations",),
            run_llm=False,
        ),
        ToolDefinition(
            "send_email",
            "Send an email.",
            {
                "destinations": _ADDRESSES,
                "subject": {"type": "string", "description": "Subject line."},
                "content": {"type": "string", "description": "Body, plain text."},
            },
            ("destinations", "subject", "content"),
        ),
        ToolDefinition(
            "send_message",
            "Send a text message (SMS).",
            {
                "source": _ADDRESS,
                "destinations": _ADDRESSES,
                "text": {"type": "string", "description": "The message."},
            },
            ("destinations", "text"),
        ),
        ToolDefinition(
            "stop_media",
            "Stop what is playing to the caller at once, your own voice included.",
            run_llm=False,
        ),
        ToolDefinition(
            "stop_service",
            "End your part of the call. Say goodbye in the same answer: it is played to its end first. Call it when "
            "the caller says goodbye or the task is done.",
            run_llm=False,
        ),
        ToolDefinition("stop_flow", "End the whole call flow, whatever would come after you.", run_llm=False),
        ToolDefinition(
            "set_variables",
            "Remember values for the rest of the call and for the systems behind it.",
            {"variables": {**_STRING_MAP, "minProperties": 1, "description": "Names and values, both text."}},
            ("variables",),
        ),
        ToolDefinition("get_variables", "Read all values remembered so far."),
        ToolDefinition(
            "get_aicall_messages",
            "Read the messages of an AI call: this one when no id is given, or an earlier one.",
            {"aicall_id": {"type": "string", "format": "uuid", "description": "Id of the AI call; default this one."}},
        ),
        ToolDefinition(
            "search_knowledge",
            "Search the knowledge base for facts before answering from memory.",
            {"query": {"type": "string", "minLength": 1, "description": "What to look for."}},
            ("query",),
        ),
        ToolDefinition(
            "create_call",
            "Place a new, independent outgoing call.",
            {
                "flow_id": {"type": "string", "format": "uuid", "description": "Flow that the new call runs."},
                "source": _ADDRESS,
                "destinations": _ADDRESSES,
                "variables": {**_STRING_MAP, "description": "Variables of the new call."},
            },
            ("destinations",),
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
