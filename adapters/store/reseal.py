"""The end of a change of keys: whatever an older key sealed is sealed anew with the newest.

A column of sealed text says so itself, by ``info=SEALED`` (`adapters.store.tables`), so that no list of them can be
incomplete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, select, update

from adapters.store.all_tables import metadata
from adapters.store.secrets import SecretBox
from adapters.store.tables import SEALED


def sealed_columns() -> Iterator[Column[Any]]:
    """Yield every column that holds tokens of a `SecretBox`; empty text and NULL in one mean that there is none."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.info == SEALED:
                yield column


def reseal(connection: Connection, box: SecretBox) -> int:
    """Seal anew what an older key sealed, in deleted rows too.

    Returns:
        How many tokens that were.

    Raises:
        AicallError: A token can be read with none of the keys.
    """
    return sum(_reseal_column(connection, box, column) for column in sealed_columns())


def _reseal_column(connection: Connection, box: SecretBox, column: Column[Any]) -> int:
    keys = list(column.table.primary_key.columns)
    stale = [row for row in connection.execute(select(column, *keys)) if row[0] and not box.is_current(row[0])]
    for token, *values in stale:
        of_row = [key == value for key, value in zip(keys, values, strict=True)]
        connection.execute(update(column.table).where(*of_row).values({column: box.seal(box.unseal(token))}))
    return len(stale)
