"""Who shows an API key: the operator's own key of the settings, or a customer's key out of the store.

A customer's key is ``aic_<id>_<secret>``: the id (32 hex digits) finds the row, the secret has 256 random bits, and the
store holds the SHA-256 of the whole.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from adapters.store.base import Store
from adapters.store.customers.contract import StoredKey
from models.customer import KEY_PREFIX, Scope, key_prefix
from models.errors import Unavailable
from models.ids import DEFAULT_CUSTOMER_ID
from models.timestamps import NOT_YET
from runtime.tokens import hash_token, new_token

REMEMBERED_S = 1.0
"""How long a key is taken without asking the store again, so how late a revocation is noticed at most, seconds."""

USED_STEP = timedelta(minutes=1)
"""How far `ApiKey.tm_last_used` may lag behind, so that not every request writes."""

_REMEMBERED_KEYS = 1024


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose key was shown, and what it opens.

    Attributes:
        customer_id: The customer.
        scopes: What the key opens.
        key_id: The key's id; None for the operator's.
    """

    customer_id: UUID
    scopes: frozenset[Scope]
    key_id: UUID | None = field(default=None, compare=False)


OPERATOR = Holder(DEFAULT_CUSTOMER_ID, frozenset({Scope.ADMIN}))
"""Who shows the key of the settings."""


def new_key(key_id: UUID) -> str:
    """Make a key of 256 random bits."""
    return f"{key_prefix(key_id)}_{new_token()}"


class KeyRing:
    """Tells who shows a key.

    Args:
        operator_key: The key of the settings.
        store: Where customers' keys are.
        now: Returns the present moment, in UTC.
        clock: Returns seconds that only grow.
    """

    def __init__(
        self,
        operator_key: str,
        store: Store,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Digests are of one length, so that comparing them shows nothing of the key's.
        self._operator_sha256 = hash_token(operator_key)
        self._store = store
        self._now = now
        self._clock = clock
        self._known: OrderedDict[UUID, tuple[float, StoredKey]] = OrderedDict()

    async def holder(self, key: str) -> Holder | None:
        """Return who shows a key; None when it opens nothing.

        Raises:
            Unavailable: The store does not answer.
        """
        digest = hash_token(key)
        if hmac.compare_digest(digest, self._operator_sha256):
            return OPERATOR
        key_id = _key_id(key)
        stored = None if key_id is None else await self._find(key_id)
        if stored is None or not hmac.compare_digest(digest, stored.key_sha256):
            return None
        await self._note_use(stored)
        return Holder(stored.key.customer_id, frozenset(stored.key.scopes), stored.key.id)

    async def _find(self, key_id: UUID) -> StoredKey | None:
        at, stored = self._known.get(key_id, (0.0, None))
        if stored is not None and self._clock() - at < REMEMBERED_S:
            return stored
        self._known.pop(key_id, None)
        at = self._clock()
        stored = await self._store.find_api_key(key_id)
        if stored is not None:
            self._remember(at, stored)
        return stored

    def _remember(self, at: float, stored: StoredKey) -> None:
        self._known[stored.key.id] = (at, stored)
        self._known.move_to_end(stored.key.id)
        while len(self._known) > _REMEMBERED_KEYS:
            self._known.popitem(last=False)

    async def _note_use(self, stored: StoredKey) -> None:
        now, last = self._now(), stored.key.tm_last_used
        if last != NOT_YET and now - last < USED_STEP:
            return
        # First, so that requests that come meanwhile do not write it as well.
        at, _ = self._known.get(stored.key.id, (None, None))
        if at is not None:
            used = stored.key.model_copy(update={"tm_last_used": now})
            self._remember(at, StoredKey(used, stored.key_sha256))
        try:
            await self._store.api_key_used(stored.key.id, now=now)
        except Unavailable:
            # Written when the key has been read again; no request is refused for a note.
            return


def _key_id(key: str) -> UUID | None:
    if not key.startswith(KEY_PREFIX):
        return None
    text, separator, _ = key.removeprefix(KEY_PREFIX).partition("_")
    try:
        key_id = UUID(hex=text) if separator else None
    except ValueError:
        return None
    return key_id if key_id is not None and key_id.hex == text else None
