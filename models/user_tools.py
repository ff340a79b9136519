"""The tools that a customer declares on an AI: HTTP endpoints and MCP servers (keys of ``parameter``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from models.tools import TOOLS, ToolDefinition

MOST_TOOLS = 20
"""How many HTTP tools an AI may have."""
MOST_MCP_SERVERS = 5
MOST_SCHEMA_CHARS = 8_000
"""Longest JSON Schema of a tool's arguments, characters of JSON: the model reads it with every answer."""

_SCHEMA_KEYS = frozenset({"$schema", "type", "title", "description", "properties", "required", "additionalProperties"})
"""What the schema of a tool's arguments may hold at its top: no vendor takes more from a function."""
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$defs", "definitions", "$id", "patternProperties"})
"""What a schema may hold nowhere: models are not shown what is referred to, and nothing is fetched for one."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
"""A token of RFC 9110 5.6.2."""
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key", "upgrade"})
"""Headers that the client sets itself."""


def _check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError(f"{name[:100]!r} cannot be used as a header here")
        text = value.get_secret_value()
        if len(text) > 4_000 or not text.isascii() or not (text.isprintable() or not text):
            raise ValueError(f"the value of {name} must be printable ASCII of at most 4000 characters")
    return headers


Headers = Annotated[dict[str, SecretStr], Field(max_length=20), AfterValidator(_check_headers)]
"""Further headers of each request. Write-only: kept as secrets."""

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
"""A name that every vendor takes for a function."""

ToolUrl = Annotated[str, Field(min_length=1, max_length=2_000)]
TimeoutSeconds = Annotated[float, Field(strict=True, gt=0, le=60, allow_inf_nan=False)]


class _Declared(BaseModel):
    """What both kinds have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: ToolUrl
    headers: Headers | None = None
    timeout_s: TimeoutSeconds = 10.0

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}".lower()


class HttpTool(_Declared):
    """A tool that one HTTP request carries out.

    Attributes:
        name: Function name.
        description: When to call it and when not, for the model.
        parameters: JSON Schema of the arguments: an object.
        url: Where to send them.
        method: With GET and DELETE the arguments go into the query, else into the body as a JSON object.
        headers: Further headers, write-only: never in a stored ``parameter``.
        timeout_s: Longest that it may take, seconds.
        run_llm: Whether the model speaks again after the result.
    """

    name: ToolName
    description: Annotated[str, Field(min_length=1, max_length=1_024)]
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    run_llm: Annotated[bool, Field(strict=True)] = True

    @property
    def secret_name(self) -> str:
        """The name of its headers among the AI's secrets. Headers do not follow a tool to another host."""
        return f"tools/{self.name}/{self.origin}"

    @property
    def definition(self) -> ToolDefinition:
        """What the model is told of it."""
        return ToolDefinition(
            self.name,
            self.description,
            self.parameters.get("properties", {}),
            tuple(self.parameters.get("required", ())),
            run_llm=self.run_llm,
            takes_run_llm=False,
            effect=self.method != "GET",
            deadline_s=self.timeout_s,
            schema=self.parameters,
        )


class McpServer(_Declared):
    """A server whose tools the model may call, over MCP's streamable HTTP (specification 2025-06-18).

    Attributes:
        name: Its name; comes before the name of a tool that another one has already.
        url: The endpoint.
        headers: Further headers, write-only: never in a stored ``parameter``.
        tool_names: The tools that may be called; None for all.
        timeout_s: Longest that one of its tools may take, seconds.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,31}$")]
    tool_names: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], Field(max_length=100)] | (
        None
    ) = None

    @property
    def secret_name(self) -> str:
        """The name of its headers among the AI's secrets. Headers do not follow a server to another host."""
        return f"mcp_servers/{self.name}/{self.origin}"


class DeclaresTools(Protocol):
    """The part of `models.options.CallOptions` that is looked at here."""

    @property
    def tools(self) -> tuple[HttpTool, ...]:
        """The HTTP tools."""

    @property
    def mcp_servers(self) -> tuple[McpServer, ...]:
        """The MCP servers."""


def declared(options: DeclaresTools) -> Iterator[HttpTool | McpServer]:
    """Yield everything that has a URL and may have headers."""
    yield from options.tools
    yield from options.mcp_servers


def wrong_in_tools(options: DeclaresTools) -> tuple[tuple[str | int, ...], str] | None:
    """Find what pydantic's types do not: names that collide, and schemas that are none.

    Returns:
        The path within ``parameter`` and what is wrong there; None when all is well.
    """
    taken = set(TOOLS)
    for number, tool in enumerate(options.tools):
        if tool.name in taken:
            kind = "a built-in tool" if tool.name in TOOLS else "another tool"
            return ("tools", number, "name"), f"is the name of {kind}"
        taken.add(tool.name)
        wrong = schema_problem(json.dumps(tool.parameters, sort_keys=True))
        if wrong:
            return ("tools", number, "parameters"), wrong
    names: set[str] = set()
    for number, server in enumerate(options.mcp_servers):
        if server.name in names:
            return ("mcp_servers", number, "name"), "is the name of another server"
        names.add(server.name)
    return None


@lru_cache(maxsize=1_000)
def schema_problem(schema_text: str) -> str:
    """Say why a JSON Schema cannot describe a tool's arguments, as far as a glance tells.

    Whether it is a JSON Schema throughout is `adapters.validate`'s to say: that takes long.

    Args:
        schema_text: The schema as JSON.

    Returns:
        What is wrong; '' when nothing is.
    """
    if len(schema_text) > MOST_SCHEMA_CHARS:
        return f"must have at most {MOST_SCHEMA_CHARS} characters as JSON"
    schema = json.loads(schema_text)
    if schema.get("type") != "object":
        return 'must be a JSON Schema with "type": "object"'
    if unknown := sorted(schema.keys() - _SCHEMA_KEYS):
        return f"must not have {unknown[0]} at its top level: models do not understand it"
    if forbidden := _holds(schema, _REFERENCES):
        return f"must not have {forbidden}"
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return "must have an object as properties and a list as required"
    if missing := [name for name in required if not isinstance(name, str) or name not in properties]:
        return f"requires {str(missing[0])[:100]}, which is not among its properties"
    return ""


def _holds(value: Any, keys: frozenset[str]) -> str:
    """Return the first of some keywords that a schema has anywhere; '' for none."""
    todo: list[Any] = [value]
    while todo:
        it = todo.pop()
        if isinstance(it, dict):
            # What stands in "properties" are names of arguments, and in "enum", "const" and "default" values.
            named = it.get("properties")
            if isinstance(named, dict):
                todo.extend(named.values())
            if found := sorted(it.keys() & keys):
                return str(found[0])
            todo.extend(value for key, value in it.items() if key not in {"properties", "enum", "const", "default"})
        elif isinstance(it, list):
            todo.extend(it)
    return ""


def header_secrets(options: DeclaresTools) -> dict[str, dict[str, SecretStr]]:
    """Return the headers that were given, by the names of their secrets."""
    return {it.secret_name: it.headers for it in declared(options) if it.headers is not None}


def without_headers(entries: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the entries of ``parameter.tools`` or ``parameter.mcp_servers`` as they may be stored and shown."""
    return [{key: value for key, value in entry.items() if key != "headers"} for entry in entries]
