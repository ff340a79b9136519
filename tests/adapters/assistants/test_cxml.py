"""The documents of pbx facts A5, read back with a parser of its own (lxml)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.assistants.cxml import check_action, connect_stream, dial_service, say_and_hang_up
from models.errors import InvalidField

URL = "wss://bot.example/ws/b/t?session=s&from=%2B1&to=2"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def parsed(document: str) -> etree._Element:
    return etree.fromstring(document.encode())


def test_a_sip_provider_is_dialled() -> None:
    assert dial_service("retell", "+14155551234") == (
        XML + '<Response><Dial><Service provider="retell">+14155551234</Service></Dial></Response>'
    )


def test_headers_come_before_the_service() -> None:
    document = parsed(dial_service("vapi", "+1", headers={"X-A": 'a"<&>'}, action="https://pbx.example/next?a=1&b=2"))
    (dial,) = document
    assert dial.attrib == {"action": "https://pbx.example/next?a=1&b=2"}
    assert [(it.tag, dict(it.attrib), it.text) for it in dial] == [
        ("Header", {"name": "X-A", "value": 'a"<&>'}, None),
        ("Service", {"provider": "vapi"}, "+1"),
    ]


def test_a_websocket_provider_is_connected() -> None:
    assert connect_stream(URL) == (
        XML + '<Response><Connect><Stream url="wss://bot.example/ws/b/t?session=s&amp;from=%2B1&amp;to=2" />'
        "</Connect></Response>"
    )
    (connect,) = parsed(connect_stream(URL, parameters={"a": "1 & 2"}, action="http://pbx/next"))
    (stream,) = connect
    assert (dict(connect.attrib), dict(stream.attrib)) == ({"action": "http://pbx/next"}, {"url": URL})
    assert [(it.tag, dict(it.attrib)) for it in stream] == [("Parameter", {"name": "a", "value": "1 & 2"})]


@pytest.mark.parametrize("url", ["ws://x/", "https://x/", "", "wss://", "wss://x/ y", "wss://x/\n", "WSS://x/"])
def test_only_wss_is_connected(url: str) -> None:
    with pytest.raises(InvalidField, match=re.escape("WebSocket URL must start with wss://")):
        connect_stream(url)


def test_an_apology() -> None:
    assert say_and_hang_up("AI Agent not found.") == (
        XML + "<Response><Say>AI Agent not found. Goodbye.</Say><Hangup /></Response>"
    )
    assert say_and_hang_up("AI Agent not found") == say_and_hang_up("AI Agent not found.")


@pytest.mark.parametrize("action", ["javascript:x", "pbx.example/next", "https://", "https://a/ b", "http://[x"])
def test_an_action_is_a_url(action: str) -> None:
    with pytest.raises(InvalidField) as caught:
        check_action(action)
    assert caught.value.field == "action"
    with pytest.raises(InvalidField):
        connect_stream(URL, action=action)


def test_no_action_is_none() -> None:
    check_action("")
    assert "action" not in connect_stream(URL)


@given(st.text(), st.text())
def test_whatever_is_written_is_read_back_or_refused(name: str, value: str) -> None:
    try:
        document = connect_stream(URL, parameters={name: value})
        dialled = dial_service(name, value, headers={name: value})
    except InvalidField:
        assert not all(character.isprintable() for character in name + value)
        return
    (parameter,) = parsed(document)[0][0]
    assert (parameter.get("name"), parameter.get("value")) == (name, value)
    service = parsed(dialled)[0][1]
    # A parser reads every end of a line as one line feed, but in attributes, where it is written as a reference.
    assert service.get("provider") == name
    assert (service.text or "") == re.sub("\r\n?", "\n", value)
