"""What PostgreSQL cannot keep is replaced, and nothing else is touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.store.postgresql_text import dump_json, replace_unstorable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\udfff!", "\ufffd!"),
        ("grüß 👋", "grüß 👋"),
        (["\x00", {"\x00": ("\x00", 1, None, True)}], ["\ufffd", {"\ufffd": ["\ufffd", 1, None, True]}]),
        ("\\u0000 \\ud800", "\\u0000 \\ud800"),
    ],
)
def test_what_cannot_be_kept_is_replaced(value: Any, kept: Any) -> None:
    assert replace_unstorable(value) == kept
    assert json.loads(dump_json(value)) == kept


@given(json_values)
def test_what_can_be_kept_is_kept(value: Any) -> None:
    dumped = json.loads(dump_json(value))
    if "\x00" not in repr(value) and "\\x00" not in repr(value):
        assert dumped == value
    assert replace_unstorable(dumped) == dumped
