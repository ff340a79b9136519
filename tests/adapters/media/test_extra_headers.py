from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.extra_headers import MAX_EXTRA_HEADERS_CHARS, extra_headers
from models.errors import MediaProtocolError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        ("userId=12345;sessionId=abc-xyz", {"userId": "12345", "sessionId": "abc-xyz"}),
        ("test1=12,test2=123", {"test1": "12", "test2": "123"}),
        ("{X-PH-key1: value1}", {"key1": "value1"}),
        ('{"plan":"go\\"ld","ключ":"значение","n":5}', {"plan": 'go"ld', "ключ": "значение", "n": "5"}),
        ({"x-ph-plan": "gold", "vip": True}, {"plan": "gold", "vip": "true"}),
        ("url=https://h/?a=b; empty=;=nameless;alone", {"url": "https://h/?a=b", "empty": ""}),
        ('["a"]', {}),
    ],
)
def test_what_is_read(written: object, read: dict[str, str]) -> None:
    assert extra_headers(written) == read


@pytest.mark.parametrize(
    "written", [5, ["a"], '{"a":[]}', '{"a":"\\u0000"}', "a=\x00", "a=\ud800", "x" * (MAX_EXTRA_HEADERS_CHARS + 1)]
)
def test_what_is_refused(written: object) -> None:
    with pytest.raises(MediaProtocolError):
        extra_headers(written)


@given(st.text(max_size=60))
def test_no_text_raises_anything_else(written: str) -> None:
    try:
        found = extra_headers(written)
    except MediaProtocolError:
        return
    assert all(isinstance(value, str) for value in found.values())
