"""Timestamps as the seeds write them.

Written form: ``2024-03-01T10:00:00.000000Z``. Both seed spellings are read: with ``T`` and ``Z`` (seed 001) and with a
space and no zone (seeds 003 and 004, which mean UTC). "Not yet" is the year 9999 (`NOT_YET`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

NOT_YET = datetime(9999, 1, 1, tzinfo=UTC)
"""The sentinel for "this has not happened"."""


def format_timestamp(moment: datetime) -> str:
    """Write a moment in the seeds' form, in UTC with microseconds."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_timestamp(value: Any) -> datetime:
    """Read a moment in either seed spelling.

    Args:
        value: A `datetime` or text. Naive values mean UTC.

    Raises:
        ValueError: The value is neither, or not a moment in UTC's years 1 to 9999.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("must be a timestamp such as 2024-03-01T10:00:00.000000Z") from None
    if not isinstance(value, datetime):
        raise ValueError("must be a timestamp such as 2024-03-01T10:00:00.000000Z")
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from None


Timestamp = Annotated[
    datetime,
    BeforeValidator(parse_timestamp),
    PlainSerializer(format_timestamp, return_type=str, when_used="always"),
]
"""A UTC moment that is read in both seed spellings and written in one."""
