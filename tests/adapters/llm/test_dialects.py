import openai
import pytest

from adapters.llm.dialects import COMPATIBLE, DIALECTS, dialect_of, mistral_history, one_system_message
from adapters.llm.table import LLM_TABLE, OPENAI_COMPATIBLE
from tests.standins.openai_dialects import RULES, check_mistral_history

USER = {"role": "user", "content": "Hi."}
SYSTEM = {"role": "system", "content": "Be brief."}


def test_every_compatible_row_has_a_dialect_and_its_stand_in_has_rules() -> None:
    rows = {row.name for row in LLM_TABLE.rows if row.factory == OPENAI_COMPATIBLE}
    assert rows == set(DIALECTS) == set(RULES) | {"openai"}


def test_options_of_a_row_are_those_that_its_dialect_knows() -> None:
    for name, dialect in DIALECTS.items():
        options = {option.name for option in LLM_TABLE[name].options}
        assert set(dialect.switches) <= options, name


@pytest.mark.parametrize(
    "given",
    [
        "https://us.openai.azure.com",
        "https://us.openai.azure.com/",
        "https://us.openai.azure.com/openai/v1",
        "https://us.openai.azure.com/openai/v1/",
    ],
)
def test_the_path_of_azure_is_there_once(given: str) -> None:
    assert DIALECTS["azure"].endpoint(given) == "https://us.openai.azure.com/openai/v1"


def test_an_endpoint_without_a_path_of_the_vendors_stays_as_it_is() -> None:
    assert COMPATIBLE.endpoint("http://localhost:8000/v1") == "http://localhost:8000/v1"


def test_whoever_stands_behind_an_own_endpoint_need_not_be_openai() -> None:
    assert dialect_of("openai", {"base_url": "http://localhost:8000/v1"}) is COMPATIBLE
    assert dialect_of("openai", {"base_url": ""}) is DIALECTS["openai"]
    assert dialect_of("ollama", {"base_url": "http://localhost:8000/v1"}) is DIALECTS["ollama"]


def test_what_a_vendor_refuses_is_left_out_and_what_it_calls_otherwise_renamed() -> None:
    params = {
        "model": "m",
        "messages": [USER],
        "stream_options": {"include_usage": True},
        "seed": 7,
        "max_completion_tokens": 50,
        "max_tokens": openai.NOT_GIVEN,
        "temperature": None,
        "extra_body": {"safe_prompt": True},
    }
    assert DIALECTS["mistral"].adapt(params) == {
        "model": "m",
        "messages": [USER],
        "extra_body": {"safe_prompt": True, "max_tokens": 50, "random_seed": 7},
    }
    assert DIALECTS["openai"].adapt(params) == {
        name: params[name]
        for name in ("model", "messages", "stream_options", "seed", "max_completion_tokens", "extra_body")
    }


def test_a_switch_replaces_the_vendors_own_choice() -> None:
    dialect = DIALECTS["deepseek"]
    assert dialect.body({}) == {"thinking": {"type": "disabled"}}
    assert dialect.body({"thinking": "enabled"}) == {"thinking": {"type": "enabled"}}
    assert DIALECTS["together"].body({"thinking": "disabled"}) == {"reasoning": {"enabled": False}}
    assert DIALECTS["together"].body({"thinking": ""}) == {}


def test_only_the_first_system_message_stays_one() -> None:
    messages = [dict(SYSTEM), dict(USER), dict(SYSTEM)]
    assert [it["role"] for it in one_system_message(messages)] == ["system", "user", "user"]


def test_the_history_of_another_vendor_becomes_one_that_mistral_takes() -> None:
    calls = [{"id": f"call_{n}_long", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in (1, 2)]
    history = [
        dict(SYSTEM),
        dict(USER),
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1_long", "content": "1"},
        {"role": "tool", "tool_call_id": "call_2_long", "content": "2"},
        dict(USER),
        dict(SYSTEM),
    ]
    fitting = mistral_history([dict(message) for message in history])
    check_mistral_history(fitting)
    roles = ["system", "user", "assistant", "tool", "tool", "assistant", "user", "user"]
    assert [message["role"] for message in fitting] == roles
    assert [call["id"] for call in fitting[2]["tool_calls"]] == [it["tool_call_id"] for it in fitting[3:5]]
    assert calls[0]["id"] == "call_1_long"


def test_an_answer_that_stands_last_is_gone_on_with() -> None:
    assert mistral_history([dict(USER), {"role": "assistant", "content": "It is"}])[-1]["prefix"] is True
    assert mistral_history([]) == []
