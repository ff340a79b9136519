"""Page tokens: where a list goes on.

A token names the last row of a page by its time and a key that is unique among rows of that time, so that no row is
lost or repeated where times are equal, or where rows are added or deleted between two pages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Table, literal, select, tuple_

from adapters.store.base import Item, Page
from models.errors import InvalidField

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_token(kind: str, moment: datetime, key: UUID | int) -> str:
    """Make a token.

    Args:
        kind: The list that it belongs to.
        moment: ``tm_create`` of the page's last row.
        key: That row's key.
    """
    key_text = key.hex if isinstance(key, UUID) else str(key)
    text = f"{kind}|{(moment - _EPOCH) // _MICROSECOND}|{key_text}"
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def decode_token(kind: str, token: str, *, uuid_key: bool = True) -> tuple[datetime, UUID | int]:
    """Read a token.

    Args:
        kind: The list that it must belong to.
        token: What `encode_token` returned.
        uuid_key: Whether the list's key is a UUID (otherwise a number).

    Returns:
        The moment and the key of the last row that the reader has.

    Raises:
        InvalidField: The token is none of ours, or belongs to another list.
    """
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        token_kind, moment_text, key_text = text.split("|")
        moment = _EPOCH + int(moment_text) * _MICROSECOND
        key: UUID | int = UUID(hex=key_text) if uuid_key else int(key_text)
        genuine = token_kind == kind and encode_token(kind, moment, key) == token and _fits(key)
    except (binascii.Error, ValueError, OverflowError):
        genuine = False
    if not genuine:
        raise InvalidField("page_token", "is not a page token of this list")
    return moment, key


def _fits(key: UUID | int) -> bool:
    return isinstance(key, UUID) or 0 <= key < 1 << 63


@dataclass(frozen=True, slots=True)
class PageQuery:
    """How one table is listed, newest first.

    Attributes:
        kind: Name of the list inside its tokens.
        table: The table; it has ``tm_create``.
        key: A column that is unique among rows of one ``tm_create`` and list.
        uuid_key: Whether that column holds UUIDs (otherwise numbers).
    """

    kind: str
    table: Table
    key: Column[Any]
    uuid_key: bool = True

    def run(
        self,
        connection: Connection,
        conditions: Sequence[ColumnElement[bool]],
        make: Callable[[RowMapping], Item],
        *,
        page_size: int,
        page_token: str,
    ) -> Page[Item]:
        """Read one page.

        Args:
            connection: In a transaction.
            conditions: What a row must fulfil to be listed.
            make: Turns a row into an item.
            page_size: Most rows to return.
            page_token: Where to go on; '' for the newest row.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """
        time = self.table.c.tm_create
        statement = select(self.table).where(*conditions).order_by(time.desc(), self.key.desc()).limit(page_size + 1)
        if page_token:
            moment, key = decode_token(self.kind, page_token, uuid_key=self.uuid_key)
            position = tuple_(literal(moment, time.type), literal(key, self.key.type))
            statement = statement.where(tuple_(time, self.key) < position)
        rows = list(connection.execute(statement).mappings())
        if len(rows) <= page_size:
            return Page([make(row) for row in rows])
        last = rows[page_size - 1]
        token = encode_token(self.kind, last[time], last[self.key])
        return Page([make(row) for row in rows[:page_size]], token)
