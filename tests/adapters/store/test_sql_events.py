"""Event ids as readers write them. Everything else about events is in the store's contract suite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.store.sql_events import parse_event_id
from models.errors import InvalidField


@given(st.integers(0, 2**63 - 1))
def test_an_id_is_read(key: int) -> None:
    assert parse_event_id(str(key)) == key


def test_nothing_is_before_the_first() -> None:
    assert parse_event_id("") == 0


@given(st.text(min_size=1).filter(lambda text: not (text.isascii() and text.isdecimal())))
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_event_id(text)
    assert caught.value.field == "after"


@pytest.mark.parametrize("text", ["-1", " 1", "1\n", "+1", "1_0", "٣", "²", str(2**63), "1" * 20, "0x1", "1.0"])
def test_what_a_database_would_choke_on_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        parse_event_id(text)
