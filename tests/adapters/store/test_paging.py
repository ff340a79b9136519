"""Page tokens: what we made comes back, anything else is refused."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from adapters.store.customers.tables import customers
from adapters.store.paging import PageQuery, decode_token, encode_token
from adapters.store.sqlite import sqlite_engine
from models.customer import Customer, CustomerWrite
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


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[int], list[list[tuple[bool, int]]], int]:
    """Draw the moments of the rows at first, what is written between each two pages, and the size of a page."""
    second = st.integers(0, 4)
    writes = st.lists(st.tuples(st.booleans(), second), max_size=4)
    return (
        draw(st.lists(second, max_size=12)),
        draw(st.lists(writes, min_size=1, max_size=12)),
        draw(st.integers(1, 4)),
    )


@given(readings())
@settings(max_examples=150)
def test_a_list_is_stable_while_rows_come_and_go(reading: tuple[list[int], list[list[tuple[bool, int]]], int]) -> None:
    """What is there all the time is listed once and in order, and nothing twice, whatever is written meanwhile."""
    first, writes, page_size = reading
    engine = sqlite_engine(":memory:")
    with engine.begin() as connection:
        customers.create(connection)
        there: dict[UUID, int] = {}

        def add(moment: int) -> None:
            customer = Customer.create(CustomerWrite(name="x"), id=uuid4(), now=at(moment))
            row = {name: getattr(customer, name) for name in Customer.model_fields} | {"prices": {}}
            connection.execute(insert(customers), row)
            there[customer.id] = moment

        for moment in first:
            add(moment)
        all_the_time = set(there)
        query, seen, token, between = PageQuery("x", customers, customers.c.id), list[UUID](), "", iter(writes)
        while True:
            page = query.run(
                connection, (), lambda row: (row["tm_create"], row["id"]), page_size=page_size, page_token=token
            )
            assert len(page.items) <= page_size
            assert list(page.items) == sorted(page.items, reverse=True)
            seen += [key for _, key in page.items]
            token = page.next_page_token
            if not token:
                break
            for adding, moment in next(between, ()):
                if adding:
                    add(moment)
                elif gone := next((key for key, of in there.items() if of == moment), None):
                    connection.execute(delete(customers).where(customers.c.id == gone))
                    del there[gone]
                    all_the_time.discard(gone)
        assert len(seen) == len(set(seen))
        kept = [key for key in seen if key in all_the_time]
        assert set(kept) == all_the_time
        assert [there[key] for key in kept] == sorted((there[key] for key in kept), reverse=True)
    engine.dispose()
