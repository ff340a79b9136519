"""The rules of pbx facts A4; the first cases say again, in data, what the phone system's own tests describe (A11)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.assistants.url_template import (
    CALL_PLACEHOLDERS,
    CONFIG_PLACEHOLDERS,
    build_url,
    check_template,
    is_wss_url,
    placeholders,
)
from models.assistant_providers import DEEPDUB, PROVIDERS
from models.errors import InvalidField

Values = dict[str, str | int]
TEMPLATE = DEEPDUB.url_template or ""


@pytest.mark.parametrize(
    ("template", "configuration", "call", "url"),
    [
        ("wss://x.example/ws/{bot_id}/{auth_token}", {"bot_id": "7Fn5", "auth_token": "t1"}, {}, "wss://x.example/ws/7Fn5/t1"),
        (
            "wss://x.example/s?session={session}&from={from}&to={to}",
            {},
            {"session": "s1", "from": "1001", "to": "2002"},
            "wss://x.example/s?session=s1&from=1001&to=2002",
        ),
        (
            TEMPLATE,
            {"bot_id": "b", "auth_token": "cloudonix-abc"},
            {"session": "002a", "from": "+1004", "to": "50000"},
            "wss://bot.deepdub.dev/ws/b/cloudonix-abc?session=002a&from=%2B1004&to=50000",
        ),
        (
            "wss://x.example/{bot_id}?k={api_key}",
            {"bot_id": "bot with spaces", "api_key": "key&special=chars"},
            {},
            "wss://x.example/bot%20with%20spaces?k=key%26special%3Dchars",
        ),
        ("wss://x.example/{bot_id}", {"bot_id": "a/b?c#d"}, {}, "wss://x.example/a%2Fb%3Fc%23d"),
        ("wss://x.example/{bot_id}?f={from}", {"bot_id": 123}, {"from": 1001}, "wss://x.example/123?f=1001"),
        ("wss://x.example/ws?session={session}", {}, {"session": ""}, "wss://x.example/ws?session="),
        ("wss://x.example/{bot_id}/{bot_id}", {"bot_id": "b"}, {}, "wss://x.example/b/b"),
        ("wss://x.example/{bot_id}", {"bot_id": "{to}"}, {"to": "1"}, "wss://x.example/%7Bto%7D"),
        ("wss://x.example/stream", {}, {}, "wss://x.example/stream"),
        *(
            (f"wss://x.example/{{{name}}}/y", {name: "id_1"}, {}, "wss://x.example/id_1/y")
            for name in ("assistant_id", "agent_id", "app_id", "workspace_id", "project_id")
        ),
    ],
)  # fmt: skip
def test_urls(template: str, configuration: Values, call: Values, url: str) -> None:
    assert build_url(template, configuration, call) == url


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("ws://x.example/s", "WebSocket URL template must start with wss://"),
        ("https://x.example/s", "WebSocket URL template must start with wss://"),
        (" wss://x.example/s", "WebSocket URL template must start with wss://"),
        ("WSS://x.example/s", "WebSocket URL template must start with wss://"),
        ("wss://x.example/{malicious}", "Disallowed placeholder: {malicious}"),
        ("wss://x.example/{bot_id}/{auth_token}", "Template contains unsubstituted placeholder: {auth_token}"),
        ("wss://x.example/?s={session}", "Template contains unsubstituted placeholder: {session}"),
        ("wss://x.example/{Bot}", "Template contains a brace that belongs to no placeholder"),
        ("wss://x.example/{{bot_id}}", "Template contains a brace that belongs to no placeholder"),
        ("wss:///{bot_id}", "Template makes no valid URL"),
        ("wss://x.example/a b", "Template makes no valid URL"),
        ("wss://x.example:x/", "Template makes no valid URL"),
        ("wss://x.example:0/", "Template makes no valid URL"),
        ("wss://[::1/", "Template makes no valid URL"),
    ],
)
def test_what_is_refused(template: str, message: str) -> None:
    with pytest.raises(InvalidField, match=re.escape(message)):
        build_url(template, {"malicious": "x", "bot_id": "123"}, {})


@pytest.mark.parametrize("dots", [".", ".."])
def test_no_value_climbs_the_path(dots: str) -> None:
    with pytest.raises(InvalidField, match="no valid URL"):
        build_url(TEMPLATE, {"bot_id": dots, "auth_token": "t"}, {"session": "", "from": "", "to": ""})
    assert build_url("wss://x.example/{bot_id}x", {"bot_id": dots}, {}) == f"wss://x.example/{dots}x"


def test_a_call_cannot_give_what_belongs_to_the_configuration() -> None:
    with pytest.raises(InvalidField, match=re.escape("{bot_id}")):
        build_url("wss://x.example/{bot_id}", {}, {"bot_id": "x"})
    with pytest.raises(InvalidField, match=re.escape("{from}")):
        build_url("wss://x.example/{from}", {"from": "x"}, {})


def test_placeholders() -> None:
    assert placeholders(TEMPLATE) == ["bot_id", "auth_token", "session", "from", "to"]
    assert CALL_PLACEHOLDERS == ("session", "from", "to")
    assert {"bot_id", "auth_token", "api_key"} <= set(CONFIG_PLACEHOLDERS)


def test_every_providers_template_is_one_and_needs_only_its_fields() -> None:
    for provider in PROVIDERS.values():
        if provider.url_template is not None:
            check_template(provider.url_template)
            assert set(placeholders(provider.url_template)) <= provider.fields().keys() | set(CALL_PLACEHOLDERS)


def test_an_error_names_no_value() -> None:
    with pytest.raises(InvalidField) as caught:
        build_url("wss://x.example:{bot_id}/", {"bot_id": "canary"}, {})
    assert "canary" not in str(caught.value)


texts = st.text().filter(lambda text: text not in {".", ".."})


@given(st.lists(texts, min_size=5, max_size=5))
def test_whatever_the_values_hold_the_url_has_the_same_parts(values: list[str]) -> None:
    bot_id, auth_token, session, from_, to = values
    call: Values = {"session": session, "from": from_, "to": to}
    url = build_url(TEMPLATE, {"bot_id": bot_id, "auth_token": auth_token}, call)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("wss", "bot.deepdub.dev", "")
    stored = [value.encode(errors="replace").decode() for value in values]
    assert [unquote(part) for part in parts.path.split("/")] == ["", "ws", *stored[:2]]
    read = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=3)
    assert read == {"session": [stored[2]], "from": [stored[3]], "to": [stored[4]]}
    assert re.fullmatch(r"[A-Za-z0-9%._~/:?&=-]+", url)
    assert is_wss_url(url)


@given(st.text(max_size=40), st.dictionaries(st.sampled_from(CONFIG_PLACEHOLDERS), st.text(max_size=5)))
def test_any_template_makes_a_url_or_is_refused(template: str, configuration: Values) -> None:
    try:
        url = build_url(f"wss://{template}", configuration, {"session": "s", "from": "f", "to": "t"})
    except InvalidField:
        return
    assert is_wss_url(url)
    assert urlsplit(url).hostname
