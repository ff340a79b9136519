import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from models.tools import TOOLS, ToolDefinition, check_tool_names, enabled_tools
from tests.models.seeds import TOOLS as SEED_TOOLS

EVERY = list(TOOLS)
NAMES = st.lists(st.sampled_from([*EVERY, "all"]))
ADDRESS = {"type": "tel", "target": "+15551230001"}

FITTING: dict[str, dict[str, Any]] = {
    "connect_call": {"destinations": [{**ADDRESS, "target_name": "Ann"}], "source": ADDRESS},
    "send_email": {"destinations": [ADDRESS], "subject": "s", "content": "c"},
    "send_message": {"destinations": [ADDRESS], "text": "t"},
    "stop_media": {},
    "stop_service": {},
    "stop_flow": {},
    "set_variables": {"variables": {"a": "1"}},
    "get_variables": {},
    "get_aicall_messages": {"aicall_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890"},
    "search_knowledge": {"query": "opening hours"},
    "create_call": {"destinations": [ADDRESS], "variables": {"a": "1"}},
}


def names(tools: list[ToolDefinition]) -> list[str]:
    return [tool.name for tool in tools]


def test_the_seeds_tools_are_there() -> None:
    assert set(SEED_TOOLS) <= TOOLS.keys()
    assert all(name == tool.name for name, tool in TOOLS.items())
    assert TOOLS.keys() == FITTING.keys()


@pytest.mark.parametrize("tool", TOOLS.values(), ids=EVERY)
def test_definitions_are_sound(tool: ToolDefinition) -> None:
    schema = tool.json_schema()
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert set(tool.required) <= tool.properties.keys()
    assert tool.description
    assert tool.name.isidentifier()
    validator = Draft202012Validator(schema)
    assert validator.is_valid(FITTING[tool.name])
    assert not validator.is_valid({**FITTING[tool.name], "surprise": 1})
    for name in tool.required:
        assert not validator.is_valid({key: value for key, value in FITTING[tool.name].items() if key != name})


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("connect_call", {"destinations": []}),
        ("connect_call", {"destinations": [{"type": "tel"}]}),
        ("connect_call", {"destinations": [{**ADDRESS, "colour": "red"}]}),
        ("set_variables", {"variables": {"a": 1}}),
        ("set_variables", {"variables": {}}),
        ("search_knowledge", {"query": ""}),
    ],
)
def test_arguments_that_do_not_fit(tool: str, arguments: dict[str, Any]) -> None:
    assert not Draft202012Validator(TOOLS[tool].json_schema()).is_valid(arguments)


def test_the_model_is_silent_after_what_ends_or_moves_the_call() -> None:
    silent = {name for name, tool in TOOLS.items() if not tool.run_llm}
    assert silent == {"connect_call", "stop_media", "stop_service", "stop_flow"}


@pytest.mark.parametrize("wanted", [None, [], ()])
def test_no_tools(wanted: list[str] | None) -> None:
    assert enabled_tools(wanted, has_knowledge=True) == []


def test_all_tools() -> None:
    assert names(enabled_tools(["all"], has_knowledge=True)) == EVERY
    assert names(enabled_tools(["all"], has_knowledge=False)) == [name for name in EVERY if name != "search_knowledge"]


def test_some_tools() -> None:
    assert names(enabled_tools(["stop_service", "connect_call"], has_knowledge=False)) == [
        "connect_call",
        "stop_service",
    ]
    assert enabled_tools(["search_knowledge"], has_knowledge=False) == []
    assert names(enabled_tools(["search_knowledge"], has_knowledge=True)) == ["search_knowledge"]


@given(NAMES, st.booleans())
def test_nothing_is_offered_that_was_not_enabled(wanted: list[str], has_knowledge: bool) -> None:
    check_tool_names(wanted)
    offered = names(enabled_tools(wanted, has_knowledge=has_knowledge))
    asked = set(EVERY) if "all" in wanted else set(wanted)
    assert offered == [name for name in EVERY if name in asked and (has_knowledge or name != "search_knowledge")]


@given(NAMES, st.text().filter(lambda name: name != "all" and name not in TOOLS), NAMES)
def test_an_unknown_name_is_refused(before: list[str], unknown: str, after: list[str]) -> None:
    with pytest.raises(ValueError, match="unknown tool"):
        check_tool_names([*before, unknown, *after])


@pytest.mark.parametrize("tool", TOOLS.values(), ids=EVERY)
def test_descriptions_say_when_and_when_not(tool: ToolDefinition) -> None:
    before, _, after = tool.description.partition("WHEN TO USE: ")
    assert before
    assert "WHEN NOT TO USE: " in after


@pytest.mark.parametrize("tool", TOOLS.values(), ids=EVERY)
def test_the_model_may_say_whether_it_speaks_again(tool: ToolDefinition) -> None:
    ends = tool.name in {"stop_service", "stop_flow"}
    assert ("run_llm" in tool.shown_properties()) is not ends
    if not ends:
        assert ("true" if tool.run_llm else "false") in tool.shown_properties()["run_llm"]["description"]
        assert Draft202012Validator(tool.json_schema()).is_valid({**FITTING[tool.name], "run_llm": True})


def test_what_changes_something_outside() -> None:
    assert {tool.name for tool in TOOLS.values() if tool.effect} == {
        "connect_call",
        "create_call",
        "send_email",
        "send_message",
        "stop_flow",
    }
    assert {tool.name for tool in TOOLS.values() if tool.after_goodbye} == {"connect_call", "stop_flow"}


def test_a_schema_of_its_own_is_taken_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": True}
    assert ToolDefinition("a", "A.", schema=schema).json_schema() == schema
