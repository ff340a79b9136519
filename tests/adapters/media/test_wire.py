from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media import wire
from models.errors import InvalidField, MediaProtocolError


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_objects_are_read(document: dict[str, object]) -> None:
    assert wire.json_object(json.dumps(document)) == document
    assert wire.peek(json.dumps(document)) == document


@pytest.mark.parametrize("message", ["", "1", "[]", '"x"', "{", "[" * 60_000, "9" * 6_000, " " * 65_535 + "{}"])
def test_anything_else_is_refused(message: str) -> None:
    with pytest.raises(MediaProtocolError) as caught:
        wire.json_object(message)
    assert not caught.value.fatal
    assert wire.peek(message) == {}


def test_the_longest_message_is_read() -> None:
    assert wire.json_object("{}".rjust(wire.MAX_MESSAGE_CHARS)) == {}
    assert wire.peek(b"{}") == {}


def test_text() -> None:
    wrong: object
    assert wire.text(None) == ""
    assert wire.text("x" * 1024) == "x" * 1024
    for wrong in (1, True, [], {}, "x" * 1025, "a\x00b", "\udc00"):
        with pytest.raises(MediaProtocolError):
            wire.text(wrong)


def test_name_is_required() -> None:
    assert wire.name("m") == "m"
    for wrong in (None, "", 0):
        with pytest.raises(MediaProtocolError):
            wire.name(wrong)


def test_section() -> None:
    wrong: object
    assert wire.section(None) == {}
    assert wire.section({"a": 1}) == {"a": 1}
    for wrong in (0, "x", [], False):
        with pytest.raises(MediaProtocolError):
            wire.section(wrong)


def test_parameters_keep_scalars_in_their_json_spelling() -> None:
    wrong: object
    given_values = {"s": "x", "n": 5, "f": 1.5, "t": True}
    assert wire.parameters(given_values) == {"s": "x", "n": "5", "f": "1.5", "t": "true"}
    assert wire.parameters(None) == {}
    for wrong in ([], {"a": None}, {"a": []}, {"a": "\udc00"}, {"\x00": "a"}):
        with pytest.raises(MediaProtocolError):
            wire.parameters(wrong)


def test_plain_parameters_leave_out_the_rest() -> None:
    given_values = {"s": "x", "n": 5, "f": 1.5, "t": True, "none": None, "list": [], "object": {}}
    assert wire.plain_parameters(given_values) == {"s": "x", "n": "5", "f": "1.5", "t": "true"}
    assert wire.plain_parameters(None) == {}
    wrong: object
    for wrong in ([], {"a": "\udc00"}, {"\x00": "a"}):
        with pytest.raises(MediaProtocolError):
            wire.plain_parameters(wrong)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0", 0),
        ("0020", 20),
        (20, 20),
        *((broken, None) for broken in (None, "", "-5", -1, True, "2.5", "²", "9" * 16, [])),
    ],
)
def test_whole_numbers(value: object, number: int | None) -> None:
    assert wire.whole_number(value) == number


def test_digits() -> None:
    assert [wire.digit(digit) for digit in "09*#AD"] == list("09*#AD")
    for wrong in ("", "a", "12", "٣", 5, None):
        with pytest.raises(MediaProtocolError):
            wire.digit(wrong)
    assert wire.require_digits("12#") == "12#"
    for bad in ("", "1w2"):
        with pytest.raises(InvalidField) as caught:
            wire.require_digits(bad)
        assert caught.value.field == "digits"


@given(st.binary())
def test_base64_is_decoded(data: bytes) -> None:
    assert wire.base64_bytes(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "wrong", [None, 1, [], "a", "ab=", "YQ==\n", " YQ==", "YQ==YQ==", "YQ", "_-8=", "é", "=", "Y Q="]
)
def test_loose_base64_is_refused(wrong: object) -> None:
    with pytest.raises(MediaProtocolError):
        wire.base64_bytes(wrong)
