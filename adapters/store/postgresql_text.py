"""Text that PostgreSQL cannot keep: NUL, and halves of surrogate pairs. It is kept with U+FFFD in their place.

https://www.postgresql.org/docs/current/datatype-character.html and https://www.postgresql.org/docs/current/datatype-json.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from psycopg import Connection
from psycopg.types.string import StrDumper

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def replace_unstorable(value: Any) -> Any:
    """Return a text or JSON value with U+FFFD for what PostgreSQL cannot keep."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {replace_unstorable(key): replace_unstorable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_unstorable(item) for item in value]
    return value


def dump_json(value: Any) -> str:
    """Return a value as JSON that a JSONB column takes."""
    dumped = json.dumps(value)
    # Both can only stand there as escapes, and hardly ever do.
    if "\\u0000" in dumped or "\\ud" in dumped:
        dumped = json.dumps(replace_unstorable(json.loads(dumped)))
    return dumped


class _Dumper(StrDumper):
    def dump(self, obj: str) -> bytes:
        return replace_unstorable(str(obj)).encode()  # type: ignore[no-any-return]


def keep_storable(connection: Connection[Any]) -> None:
    """Let a connection replace what cannot be kept in every text that it sends."""
    connection.adapters.register_dumper(str, _Dumper)
