"""What the Gemini stand-in refuses, with the words of the API."""

import pytest

from tests.standins.base import HttpError
from tests.standins.gemini_request import parse_request
from tests.standins.replies import ChatMessage

MODEL = "gemini-3.6-flash"
HI = {"role": "user", "parts": [{"text": "Hi."}]}
CALL = {"functionCall": {"name": "clock", "args": {}}}
RESULT = {"functionResponse": {"name": "clock", "response": {"result": "noon"}}}


def user(*parts):
    return {"role": "user", "parts": list(parts)}


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def declaring(**function):
    return {"contents": [HI], "tools": [{"functionDeclarations": [{"name": "clock"} | function]}]}


def thinking(**config):
    return {"contents": [HI], "generationConfig": {"thinkingConfig": config}}


def test_a_conversation_is_read_in_either_spelling():
    body = {
        "contents": [HI, model({"text": "Wait."}, CALL), user(RESULT), model({"text": "Noon."}), HI],
        "system_instruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "tools": [{"function_declarations": [{"name": "clock", "parameters": {"type": "OBJECT"}}]}],
        "generationConfig": {"thinkingConfig": {"thinking_level": "MINIMAL"}, "max_output_tokens": 9},
    }
    chat = parse_request(MODEL, body)
    assert chat.messages == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "Hi."),
        ChatMessage("assistant", "Wait."),
        ChatMessage("tool", "noon"),
        ChatMessage("assistant", "Noon."),
        ChatMessage("user", "Hi."),
    )
    assert chat.tools == ("clock",)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "Invalid JSON payload"),
        ({}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [HI], "model": "m"}, 'Unknown name "model": Cannot find field.'),
        ({"contents": [HI | {"name": "x"}]}, "Unknown name \"name\" at 'contents[0]': Cannot find field."),
        ({"contents": [user({"text": "x", "txt": "y"})]}, "at 'contents[0].parts[0]'"),
        ({"contents": [HI], "generationConfig": {"max_tokens": 3}}, 'Unknown name "max_tokens"'),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [user()]}, "must not be empty"),
        ({"contents": [user({})]}, "required oneof field 'data'"),
        ({"contents": [user({"text": "x", "functionCall": {"name": "f"}})]}, "required oneof field 'data'"),
        ({"contents": [HI, model({"functionCall": {"args": {}}})]}, "Name cannot be empty"),
        ({"contents": [HI, model(CALL), user({"functionResponse": {"name": "f", "response": "x"}})]}, "Invalid value"),
        ({"contents": [user(RESULT)]}, "function response turn comes immediately after a function call turn"),
        ({"contents": [HI, model(CALL, CALL), user(RESULT)]}, "number of function response parts"),
        ({"contents": [HI, model(CALL), HI]}, "number of function response parts"),
        ({"contents": [model(CALL), user(RESULT)]}, "function call turn comes immediately after a user turn"),
        ({"contents": [HI, model({"text": "x"}), model(CALL), user(RESULT)]}, "comes immediately after a user turn"),
        ({"contents": [HI, model(CALL)]}, "ends with a user turn"),
        ({"contents": [HI, model({"text": "x"})]}, "ends with a user turn"),
        (declaring(name="two words"), "Invalid function name"),
        (declaring(parameters={"type": "text"}), "Invalid value at 'clock.type'"),
        (declaring(parameters={"type": "OBJECT", "required": ["a"]}), "clock.required"),
        (declaring(parameters={"type": "OBJECT", "properties": {"a": {"type": "ARRAY"}}}), "clock.a.items"),
        (declaring(parameters={"type": "OBJECT", "additionalProperties": False}), "Unknown name"),
        ({"contents": [HI], "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}, "Duplicate function"),
        (thinking(thinkingLevel="LOW", thinkingBudget=0), "only one of"),
        (thinking(thinkingLevel="none"), "thinking_level"),
    ],
)
def test_what_the_vendor_refuses(body, words):
    with pytest.raises(HttpError) as refused:
        parse_request(MODEL, body)
    assert refused.value.status == 400
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("name", "config", "refused"),
    [
        ("gemini-2.5-flash", {"thinkingLevel": "LOW"}, True),
        ("gemini-2.5-flash", {"thinkingBudget": 0}, False),
        ("gemini-2.5-pro", {"thinkingBudget": 0}, True),
        ("gemini-2.5-pro", {"thinkingBudget": 128}, False),
        ("gemini-3.6-flash", {"thinkingLevel": "minimal"}, False),
        ("gemini-3.8-flash", {"thinkingLevel": "minimal"}, True),
        ("gemini-3.8-flash", {"thinkingLevel": "low"}, False),
    ],
)
def test_each_model_thinks_in_its_own_way(name, config, refused):
    if refused:
        with pytest.raises(HttpError):
            parse_request(name, thinking(**config))
    else:
        assert parse_request(name, thinking(**config)).model == name


def test_older_models_go_on_with_an_answer():
    assert parse_request("gemini-2.5-flash", {"contents": [HI, model({"text": "The time"})]}).messages
