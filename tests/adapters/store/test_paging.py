"""Page tokens: what we made comes back, anything else is refused."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.store.paging import decode_token, encode_token
from models.errors import InvalidField
from tests.adapters.store.samples import at

moments = st.datetimes(timezones=st.just(UTC))


@given(moments, st.uuids())
def test_a_token_with_an_id_comes_back(moment: datetime, key: UUID) -> None:
    assert decode_token("ais", encode_token("ais", moment, key)) == (moment, key)


@given(moments, st.integers(min_value=0, max_value=2**63 - 1))
def test_a_token_with_a_number_comes_back(moment: datetime, key: int) -> None:
    assert decode_token("messages", encode_token("messages", moment, key), uuid_key=False) == (moment, key)


@given(st.text() | st.text(alphabet="ABCDwxyz0189-_=", max_size=80), st.booleans())
def test_anything_else_is_refused(text: str, uuid_key: bool) -> None:
    with pytest.raises(InvalidField) as caught:
        decode_token("ais", text, uuid_key=uuid_key)
    assert caught.value.field == "page_token"


def test_a_token_of_another_list_is_refused() -> None:
    token = encode_token("ais", at(), uuid4())
    with pytest.raises(InvalidField):
        decode_token("aicalls", token)


@pytest.mark.parametrize("key", [-1, 2**63])
def test_a_number_that_no_database_takes_is_refused(key: int) -> None:
    with pytest.raises(InvalidField):
        decode_token("messages", encode_token("messages", at(), key), uuid_key=False)


def test_a_moment_out_of_range_is_refused() -> None:
    genuine = encode_token("ais", at(), uuid4())
    assert genuine.isascii()
    assert not set(genuine) & set("+/=&?#")
