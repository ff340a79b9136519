"""How a call on AudioSocket is named: by the UUID that its connection begins with, but not by the UUID itself.

The UUID is what lets its bearer in, and names of calls are logged, stored and put into prompts.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

_DIGITS = 24


def audiosocket_call_id(uuid: UUID) -> str:
    """Return the name of the calls that begin with a UUID. All those of one bot have the same."""
    return f"audiosocket-{hashlib.sha256(b'call:' + uuid.bytes).hexdigest()[:_DIGITS]}"
