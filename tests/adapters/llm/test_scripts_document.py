"""Every example of ``docs/scripts.md`` is a script, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.llm.script_dialogue import Event, EventKind, Reply, answer
from adapters.llm.script_file import BUNDLED, load_script, parse_script
from adapters.llm.script_model import Rule, Script
from adapters.llm.script_pattern import MAX_PHRASES, MAX_SLOT_WORDS, Pattern
from models.errors import InvalidField

DOCUMENT = (Path(__file__).parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
LIBRARY, TABLES, NUMBER, TEXTS = map(parse_script, EXAMPLES)
ALL = frozenset({"stop_service", "set_variables"})


def said(text: str) -> Event:
    return Event(EventKind.SAID, text)


def keyed(digits: str) -> Event:
    return Event(EventKind.DTMF, digits)


def reply(script: Script, *events: Event, tools: frozenset[str] = ALL) -> Reply:
    return answer(script, events, tools)


def test_every_block_is_shown_to_be_a_script() -> None:
    assert DOCUMENT.count("```") == 2 * len(EXAMPLES) == 8


def test_the_first_script() -> None:
    assert reply(LIBRARY, Event(EventKind.CONNECTED)).say.startswith("Hello, this is the library.")
    assert reply(LIBRARY, said("What are your opening hours?")).say == "We are open every day from ten to six."
    goodbye = reply(LIBRARY, said("Thank you. Goodbye!"))
    assert (goodbye.say, goodbye.call and goodbye.call.tool) == ("Goodbye!", "stop_service")
    assert reply(LIBRARY, said("Goodbye."), tools=frozenset()) == Reply("Goodbye!")


def test_slots_and_states() -> None:
    table = said("I would like a table for three.")
    assert reply(TABLES, table).say == "A table for three, gladly. What is the name?"
    assert reply(TABLES, said("a table for nine")).say == TABLES.no_match[0]
    assert reply(TABLES, table, said("My name is Ada King.")).say == "Thank you, ada king. See you tonight."
    assert reply(TABLES, said("My name is Ada King.")).say == TABLES.no_match[0]
    operator = said("Let me talk to a human!")
    assert reply(TABLES, operator).say == "I am all that there is."
    assert reply(TABLES, operator, operator).say == "I am still all that there is."


def test_keypad_and_tools() -> None:
    asked = said("I have a customer number")
    noted = reply(NUMBER, asked, keyed("4711"))
    assert noted.call is not None
    assert noted.call.arguments == {"variables": {"customer_number": "4711"}}
    for result, text in (('{"ok": true}', "Thank you. I have noted 4 7 1 1."), ('{"ok": false}', "I could not note")):
        assert reply(NUMBER, asked, keyed("4711"), Event(EventKind.RESULT, result)).say.startswith(text)
    refused = reply(NUMBER, asked, keyed("4711"), tools=frozenset())
    assert refused == Reply("I understood 4 7 1 1, but cannot note it.")
    assert reply(NUMBER, asked, keyed("47")).say.startswith("A number has three to ten digits.")


def test_the_texts_besides() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:first|to|when)", DOCUMENT, re.MULTILINE)
    assert rows == ["greeting", "no_match", "not_understood", "idle", "cannot"]
    assert set(rows) <= set(Script.model_fields)
    assert reply(TEXTS, said("what?")).say == "I cannot help with that."
    assert reply(TEXTS, said("what?"), said("what?")).say == "That is nothing I know."
    assert reply(TEXTS, Event(EventKind.NOT_UNDERSTOOD)).say == "Pardon?"
    assert reply(TEXTS, Event(EventKind.SILENT)).say == "Are you there?"


def test_every_key_of_a_rule_is_explained() -> None:
    keys = {field.alias or name for name, field in Rule.model_fields.items()}
    rows = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert keys - {"when"} <= rows
    assert "## What the caller says: `when`" in DOCUMENT


@pytest.mark.parametrize(
    ("number", "fitting", "other"),
    [
        (0, ["When are you OPEN?"], ["open"]),
        (1, ["book an appointment", "make an appointment"], ["an appointment"]),
        (2, ["goodbye", "goodbye, for now"], ["for now"]),
        (3, ["a table for two", "a table for one two three four five six"], ["a table for"]),
        (4, ["i'd like some tea", "i would like tea"], ["like tea"]),
    ],
)
def test_the_patterns_of_the_table(number: int, fitting: list[str], other: list[str]) -> None:
    section = DOCUMENT[DOCUMENT.index("| written | fits |") :].splitlines()[2:7]
    written = re.findall(r"`((?:[^`])+)`", section[number])[0].replace("\\|", "|")
    pattern = Pattern(written, {"count": []})
    for text in fitting:
        match = pattern.match(text)
        assert match is not None, text
        assert match.whole, text
    for text in other:
        assert pattern.match(text) is None, text


def test_the_limits() -> None:
    assert f"at most {MAX_PHRASES} phrases" in DOCUMENT
    assert MAX_SLOT_WORDS == 6
    assert "at most six words" in DOCUMENT
    assert "../" + str(BUNDLED.relative_to(BUNDLED.parents[2]) / "receptionist.yaml") in DOCUMENT
    assert load_script("receptionist")


def test_an_error_names_line_and_field() -> None:
    text = EXAMPLES[0].replace("what are your opening hours", "(hours")
    with pytest.raises(InvalidField) as caught:
        parse_script(text, "front-desk.yaml")
    assert caught.value.field == "front-desk.yaml:4: rules.0.when"
