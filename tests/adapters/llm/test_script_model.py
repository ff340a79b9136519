import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.llm.script_model import STOP_TOOL, Rule, Script, fill

SAY = {"when": "hello", "say": "hi"}


def test_one_text_stands_for_a_list_of_one() -> None:
    rule = Rule.model_validate({"when": "hello", "say": "hi", "in": "booking"})
    assert (rule.when, rule.say, rule.states) == (["hello"], ["hi"], ["booking"])


def test_hanging_up_is_a_tool_call() -> None:
    assert Rule.model_validate(SAY).action is None
    action = Rule.model_validate({**SAY, "hangup": True}).action
    assert action is not None
    assert (action.tool, action.arguments) == (STOP_TOOL, {})


@pytest.mark.parametrize(
    "rule",
    [
        {"say": "hi"},
        {"when": "hello"},
        {"when": "hello", "say": []},
        {"when": "hello", "say": ""},
        {"when": "hello", "say": "hi", "then": {"say": "x"}},
        {"when": "hello", "say": "hi", "else_say": "x"},
        {"when": "hello", "hangup": True},
        {"when": "hello", "say": "hi", "hangup": True, "call": {"tool": "x"}},
        {"dtmf": "(", "say": "hi"},
        {"when": "hello", "say": "hi", "goto": "No Way"},
        {"when": "hello", "say": "hi", "oops": 1},
        {"when": "hello", "say": "hi", "call": {"tool": "x", "oops": 1}},
        {"when": 5, "say": "hi"},
    ],
)
def test_rules_without_sense_are_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


def test_states_must_be_reachable() -> None:
    Script.model_validate({"rules": [{**SAY, "goto": "booking"}, {**SAY, "in": ["start", "booking"]}]})
    with pytest.raises(ValidationError, match="no rule goes to 'booking'"):
        Script.model_validate({"rules": [{**SAY, "in": "booking"}]})


def test_phrases_are_those_of_all_rules_without_repeats() -> None:
    script = Script.model_validate(
        {
            "slots": {"day": ["Monday", "Tuesday"], "name": "any"},
            "rules": [
                {"when": ["open on {day}", "Hello!"], "say": "x"},
                {"when": ["hello", "i am {name}", "/bye.*/"], "say": "x"},
                {"dtmf": "1", "say": "x"},
            ],
        }
    )
    assert script.phrases() == ("open on monday", "open on tuesday", "hello")


def test_fills_templates() -> None:
    values = {"digits": "4711", "result.message": "done"}
    assert fill("No {digits|spell}, {digits} {result.message} {nothing}.", values) == "No 4 7 1 1, 4711 done ."


@given(st.text(alphabet="abc .,"), st.dictionaries(st.text(), st.text()))
def test_text_without_slots_stays_as_it_is(text: str, values: dict[str, str]) -> None:
    assert fill(text, values) == text
