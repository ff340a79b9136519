from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from models.ai import Ai, AiSecrets, AiWrite
from models.aicall import AicallWrite
from models.options import CallOptions, model_parameters
from models.timestamps import parse_timestamp
from models.user_tools import MOST_MCP_SERVERS, MOST_SCHEMA_CHARS, MOST_TOOLS, HttpTool, McpServer, schema_problem

TOOL: dict[str, Any] = {
    "name": "weather",
    "description": "The weather in a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    "url": "https://tools.example.com/weather",
    "headers": {"Authorization": "Bearer tool-key"},
}
SERVER: dict[str, Any] = {
    "name": "shop",
    "url": "https://mcp.example.com/mcp",
    "headers": {"X-Key": "mcp-key"},
}
NOW = parse_timestamp("2026-03-01T10:00:00.000000Z")


def body(**parameter: Any) -> AiWrite:
    return AiWrite.model_validate(
        {
            "name": "Office",
            "engine_model": "openai.gpt-4o",
            "init_prompt": "You answer.",
            "tts_type": "deepgram",
            "stt_type": "deepgram",
            "parameter": parameter,
        }
    )


def wrong(**parameter: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        body(**parameter)
    context = caught.value.errors()[0]["ctx"]
    assert "tool-key" not in str(caught.value)
    return context["field"], context["message"]


def new_ai(**parameter: Any) -> Ai:
    return Ai.create(body(**parameter), id=uuid4(), customer_id=uuid4(), now=NOW)


def test_a_tool_as_the_model_sees_it() -> None:
    definition = HttpTool.model_validate(TOOL).definition
    assert (definition.name, definition.description) == ("weather", "The weather in a town.")
    assert definition.shown_properties() == {"town": {"type": "string"}}
    assert definition.required == ("town",)
    assert (definition.run_llm, definition.effect, definition.deadline_s) == (True, True, 10.0)
    assert definition.json_schema() == TOOL["parameters"]
    reading = HttpTool.model_validate({**TOOL, "method": "GET", "run_llm": False, "timeout_s": 3}).definition
    assert (reading.run_llm, reading.effect, reading.deadline_s) == (False, False, 3.0)


def test_a_tool_needs_little() -> None:
    tool = HttpTool.model_validate({name: TOOL[name] for name in ("name", "description", "url")})
    assert (tool.method, tool.definition.shown_properties(), tool.headers) == ("POST", {}, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "two words"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "stop_service"}, "name"),
        ({"description": ""}, "description"),
        ({"url": ""}, "url"),
        ({"method": "TRACE"}, "method"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 61}, "timeout_s"),
        ({"run_llm": "yes"}, "run_llm"),
        ({"parameters": {"type": "string"}}, "parameters"),
        ({"parameters": {"type": "object", "properties": []}}, "parameters"),
        ({"headers": {"Bad Name": "tool-key"}}, "headers"),
        ({"headers": {"Host": "tool-key"}}, "headers"),
        ({"headers": {"X-A": "tool-key\r\nX-B: 1"}}, "headers"),
        ({"headers": {"X-A": "tool-key-é"}}, "headers"),
        ({"other": 1}, "other"),
    ],
)
def test_what_is_wrong_with_a_tool_is_named(changes: dict[str, Any], field: str) -> None:
    fine = {**TOOL, "name": "another"}
    assert wrong(tools=[fine, {**TOOL, **changes}])[0] == f"parameter.tools[1].{field}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "9"}, "name"),
        ({"url": 7}, "url"),
        ({"tool_names": "all"}, "tool_names"),
        ({"timeout_s": -1}, "timeout_s"),
    ],
)
def test_what_is_wrong_with_a_server_is_named(changes: dict[str, Any], field: str) -> None:
    assert wrong(mcp_servers=[{**SERVER, **changes}])[0] == f"parameter.mcp_servers[0].{field}"


def test_names_do_not_collide() -> None:
    assert wrong(tools=[TOOL, TOOL]) == ("parameter.tools[1].name", "is the name of another tool")
    assert wrong(mcp_servers=[SERVER, SERVER]) == ("parameter.mcp_servers[1].name", "is the name of another server")


def test_how_many() -> None:
    tools = [{**TOOL, "name": f"t{number}"} for number in range(MOST_TOOLS + 1)]
    assert body(tools=tools[:-1])
    assert wrong(tools=tools)[0] == "parameter.tools"
    servers = [{**SERVER, "name": f"s{number}"} for number in range(MOST_MCP_SERVERS + 1)]
    assert body(mcp_servers=servers[:-1])
    assert wrong(mcp_servers=servers)[0] == "parameter.mcp_servers"


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ("[]", ""),
        ('{"properties": {}}', '"type": "object"'),
        ('{"type": "object", "$defs": {}}', "$defs"),
        ('{"type": "object", "anyOf": []}', "anyOf"),
        ('{"type": "object", "properties": {"a": {"$ref": "#"}}}', "$ref"),
        ('{"type": "object", "properties": {"a": {"items": [{"$ref": "#"}]}}}', "$ref"),
        ('{"type": "object", "properties": [], "required": ["a"]}', "an object as properties"),
        ('{"type": "object", "required": "a"}', "a list as required"),
        ('{"type": "object", "required": ["a"]}', "requires a"),
        ('{"type": "object", "description": "' + "x" * MOST_SCHEMA_CHARS + '"}', "at most"),
    ],
)
def test_schemas_that_describe_no_arguments(schema: str, what: str) -> None:
    if schema == "[]":
        assert wrong(tools=[{**TOOL, "parameters": []}])[0] == "parameter.tools[0].parameters"
    else:
        assert what in schema_problem(schema)


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "object"}',
        '{"type": "object", "properties": {"$ref": {"type": "string"}, "definitions": {"enum": ["$ref"]}}}',
        '{"type": "object", "properties": {"a": {"const": {"$ref": 1}}}, "additionalProperties": false}',
    ],
)
def test_schemas_that_do(schema: str) -> None:
    assert schema_problem(schema) == ""


# Headers are secrets.


def test_headers_are_kept_apart() -> None:
    ai = new_ai(tools=[TOOL], mcp_servers=[SERVER], mood="calm")
    shown = str(ai.public()) + repr(ai)
    assert "tool-key" not in shown
    assert "mcp-key" not in shown
    assert "headers" not in str(ai.parameter)
    revealed = ai.secrets.revealed()["tool_headers"]
    assert revealed == {
        "tools/weather/https://tools.example.com": {"Authorization": "Bearer tool-key"},
        "mcp_servers/shop/https://mcp.example.com": {"X-Key": "mcp-key"},
    }
    assert AiSecrets.model_validate(ai.secrets.revealed()) == ai.secrets
    # The tools are still there, and the model reads nothing of them as a parameter.
    assert [tool.name for tool in ai.options.tools] == ["weather"]
    assert model_parameters(ai.parameter) == {"mood": "calm"}


def without_headers(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "headers"}


def test_headers_that_are_not_given_again_stay() -> None:
    ai = new_ai(tools=[TOOL], mcp_servers=[SERVER])
    again = ai.replaced(body(tools=[without_headers(TOOL)], mcp_servers=[without_headers(SERVER)]), now=NOW)
    assert again.secrets == ai.secrets
    emptied = ai.replaced(body(tools=[{**TOOL, "headers": {}}], mcp_servers=[without_headers(SERVER)]), now=NOW)
    assert list(emptied.secrets.tool_headers) == ["mcp_servers/shop/https://mcp.example.com"]


@pytest.mark.parametrize(
    "url", ["https://evil.example.com/weather", "http://tools.example.com/", "https://tools.example.com:8443/"]
)
def test_headers_do_not_follow_a_tool_to_another_host(url: str) -> None:
    ai = new_ai(tools=[TOOL])
    moved = ai.replaced(body(tools=[{**without_headers(TOOL), "url": url}]), now=NOW)
    assert moved.secrets.tool_headers == {}
    same = ai.replaced(body(tools=[{**without_headers(TOOL), "url": "https://tools.example.com/other"}]), now=NOW)
    assert same.secrets.tool_headers == ai.secrets.tool_headers


@pytest.mark.parametrize("key", ["tools", "mcp_servers"])
def test_tools_belong_to_the_ai(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AicallWrite.model_validate({"assistance_id": str(uuid4()), "parameter": {key: []}})
    assert caught.value.errors()[0]["ctx"]["field"] == f"parameter.{key}"


def test_options_hold_them() -> None:
    options = CallOptions.model_validate({"tools": [TOOL], "mcp_servers": [SERVER]})
    assert options.tools == (HttpTool.model_validate(TOOL),)
    assert options.mcp_servers == (McpServer.model_validate(SERVER),)
