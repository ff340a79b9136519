from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from models.timestamps import NOT_YET, Timestamp, format_timestamp, parse_timestamp

MOMENT = datetime(2024, 2, 9, 7, 1, 35, 666_687, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-09 07:01:35.666687",
        "2024-02-09T07:01:35.666687Z",
        "2024-02-09T07:01:35.666687",
        "2024-02-09 07:01:35.666687+00:00",
        "2024-02-09T09:01:35.666687+02:00",
        " 2024-02-09T07:01:35.666687Z ",
    ],
)
def test_spellings(text: str) -> None:
    parsed = parse_timestamp(text)
    assert parsed == MOMENT
    assert parsed.tzinfo is UTC
    assert format_timestamp(parsed) == "2024-02-09T07:01:35.666687Z"


@pytest.mark.parametrize("text", ["9999-01-01 00:00:00.000000", "9999-01-01T00:00:00.000000Z"])
def test_not_yet(text: str) -> None:
    assert parse_timestamp(text) == NOT_YET
    assert format_timestamp(NOT_YET) == "9999-01-01T00:00:00.000000Z"


def test_whole_seconds_are_written_in_full() -> None:
    assert format_timestamp(parse_timestamp("2024-03-01T10:00:00Z")) == "2024-03-01T10:00:00.000000Z"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "2024-13-01 00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        0,
        1.5,
        True,
        None,
        date(2024, 1, 1),
    ],
)
def test_no_timestamps(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_timestamp(value)
    with pytest.raises(ValidationError):
        TypeAdapter(Timestamp).validate_python(value)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - hypothesis adds the zone


@given(st.datetimes(FIRST, LAST, timezones=ZONES))
def test_every_moment_survives(moment: datetime) -> None:
    text = format_timestamp(moment)
    assert parse_timestamp(text) == parse_timestamp(moment) == moment
    assert parse_timestamp(text.replace("T", " ").removesuffix("Z")) == moment
    assert len(text) == len("2024-03-01T10:00:00.000000Z")


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_texts_sort_as_moments(one: datetime, other: datetime) -> None:
    assert (format_timestamp(one) < format_timestamp(other)) == (one < other)


def test_naive_moments_are_utc() -> None:
    assert parse_timestamp(MOMENT.replace(tzinfo=None)) == MOMENT


def test_a_field_is_read_and_written() -> None:
    field = TypeAdapter(Timestamp)
    moment = field.validate_python("2024-02-09 07:01:35.666687")
    assert field.dump_python(moment) == "2024-02-09T07:01:35.666687Z"
    assert field.dump_json(moment) == b'"2024-02-09T07:01:35.666687Z"'


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        moment = parse_timestamp(text)
    except ValueError:
        return
    assert moment.tzinfo is UTC
