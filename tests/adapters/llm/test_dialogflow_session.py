import json

import pytest
from pydantic import SecretStr

from adapters.llm.dialogflow_session import (
    HOST,
    agent_name,
    handoff_arguments,
    plain_text,
    regional,
    result_of,
    session_parameters,
)
from adapters.requests import Credentials

KEY = SecretStr(json.dumps({"project_id": "own"}))


@pytest.mark.parametrize(
    ("options", "es", "name"),
    [
        ({"agent": "a"}, False, "projects/own/locations/global/agents/a"),
        ({"agent": "a", "location": "europe-west1"}, False, "projects/own/locations/europe-west1/agents/a"),
        ({"agent": "a", "project": "other"}, False, "projects/other/locations/global/agents/a"),
        ({"location": "global"}, True, "projects/own/agent"),
        ({"location": "europe-west2"}, True, "projects/own/locations/europe-west2/agent"),
    ],
)
def test_names_the_agent(options, es, name):
    assert agent_name(options, KEY, es=es) == name


@pytest.mark.parametrize("key", ["", "no JSON", "[]", "{}"])
def test_a_key_without_a_project_names_none(key):
    assert agent_name({}, SecretStr(key), es=True) == "projects//agent"


@pytest.mark.parametrize(
    ("base_url", "location", "asked"),
    [
        (HOST, "europe-west1", "https://europe-west1-dialogflow.googleapis.com"),
        (HOST, "global", HOST),
        (HOST, "", HOST),
        ("http://127.0.0.1:9", "europe-west1", "http://127.0.0.1:9"),
    ],
)
def test_an_agent_is_asked_in_its_region(base_url, location, asked):
    credentials = regional(Credentials(KEY, base_url), {"location": location})
    assert credentials == Credentials(KEY, asked)


def test_variables_are_told_by_their_parts():
    variables = {"call.from": "+1555", "call.to": "100", "aicall.id": "6", "plan": "gold", ".": "odd"}
    assert session_parameters("Be brief.", variables) == {
        "init_prompt": "Be brief.",
        "call": {"from": "+1555", "to": "100"},
        "aicall": {"id": "6"},
        "plan": "gold",
        ".": "odd",
    }
    assert session_parameters("", {}) == {}


def test_a_variable_beside_its_own_parts_loses_neither():
    assert session_parameters("", {"a": "1", "a.b": "2"}) == {"a": "1", "a.b": "2"}


@pytest.mark.parametrize(
    ("metadata", "target", "arguments"),
    [
        ({"phone_number": "+1"}, "", {"destinations": [{"type": "tel", "target": "+1"}]}),
        ({"destination": "200", "type": "extension"}, "", {"destinations": [{"type": "extension", "target": "200"}]}),
        ({"phone_number": "+1"}, "sip:desk", {"destinations": [{"type": "tel", "target": "+1"}]}),
        ({}, "sip:desk@example.com:5060", {"destinations": [{"type": "sip", "target": "desk@example.com:5060"}]}),
        ({"destinations": [{"type": "tel", "target": "+1"}]}, "", {"destinations": [{"type": "tel", "target": "+1"}]}),
        (
            {"target": "+1", "source": {"type": "tel", "target": "+2"}},
            "",
            {"destinations": [{"type": "tel", "target": "+1"}], "source": {"type": "tel", "target": "+2"}},
        ),
        ({"reason": "angry"}, "", None),
    ],
)
def test_says_who_takes_over(metadata, target, arguments):
    assert handoff_arguments(metadata, target) == arguments


@pytest.mark.parametrize(
    ("ssml", "text"),
    [
        (
            "<speak>It is <say-as interpret-as='time'>9:00</say-as>.<break time='1s'/> Good.</speak>",
            "It is 9:00. Good.",
        ),
        ("Fish &amp; chips", "Fish & chips"),
        ("<speak>5 < 6", "5 < 6"),
        ('<!DOCTYPE s [<!ENTITY a "aaaa">]><speak>&a;</speak>', "&a;"),
    ],
)
def test_ssml_becomes_words(ssml, text):
    assert plain_text(ssml).endswith(text)


@pytest.mark.parametrize(
    ("content", "result"),
    [('{"sky": "clear"}', {"sky": "clear"}), ('"clear"', {"result": "clear"}), ("COMPLETED", {"result": "COMPLETED"})],
)
def test_reads_a_result(content, result):
    assert result_of(content) == result


def test_a_cancelled_tool_has_no_result():
    assert result_of("CANCELLED") is None
