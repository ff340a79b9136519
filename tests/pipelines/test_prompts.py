import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.prompts import substitute, substitute_leaves, system_instruction

VARIABLES = {"name": "Ann", "empty": "", "nested": "${name}", "the key": "7"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab$ {}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab${}"), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello ${name}!", "Hello Ann!"),
        ("${name}${name}", "AnnAnn"),
        ("${ name }", "Ann"),
        ("${the key}", "7"),
        ("[${unknown}]", "[]"),
        ("[${empty}]", "[]"),
        ("${}", ""),
        ("${nested}", "${name}"),
        ("$name {name} $ {name} ${name", "$name {name} $ {name} ${name"),
        ("${a${name}}", "${aAnn}"),
        ("5 $", "5 $"),
        ("", ""),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert substitute(text, VARIABLES) == expected


@given(st.text())
def test_text_without_a_variable_stays(text: str) -> None:
    plain = text.replace("$", "")
    assert substitute(plain, VARIABLES) == plain


@given(st.text(), st.text())
def test_a_value_is_put_in_as_it_is(before: str, value: str) -> None:
    before = before.replace("$", "")
    assert substitute(f"{before}${{x}}", {"x": value}) == before + value


def test_every_text_of_a_value_is_substituted_and_no_key() -> None:
    value = {"${name}": ["${name}", 1, None, True, {"a": "${name}s"}]}
    assert substitute_leaves(value, VARIABLES) == {"${name}": ["Ann", 1, None, True, {"a": "Anns"}]}


@given(JSON)
def test_a_value_keeps_its_shape(value: Any) -> None:
    copy = json.loads(json.dumps(value))
    assert substitute_leaves(value, {}) == substitute_leaves(copy, {})
    assert copy == value


def test_the_prompt_alone() -> None:
    assert system_instruction("You are ${name}.", {}, VARIABLES) == "You are Ann."


def test_the_owners_parameters_are_told_to_the_model() -> None:
    told = system_instruction("Be kind.", {"shop": "Müller ${name}", "open": [9, 17]}, VARIABLES)
    assert told == 'Be kind.\n\nParameters: {"shop": "Müller Ann", "open": [9, 17]}'


def test_the_runtimes_own_parameters_and_keys_are_not() -> None:
    parameter = {"greeting": "Hi", "max_duration_s": 60, "stt_key": "secret", "tts_key": "secret"}
    assert system_instruction("Be kind.", parameter, {}) == "Be kind."
    assert "secret" not in system_instruction("Be kind.", {**parameter, "own": 1}, {})
