"""Remembers what was seen for a while, so that a signed request is good once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_REMEMBERED: Final = 10_000
"""Nonces that are remembered at most: a thousand calls a second for ten seconds."""


class NonceMemory:
    """Remembers nonces of one process. Behind one port with several processes, each remembers those that it saw.

    Args:
        remembered_s: For how long, seconds.
    """

    def __init__(self, remembered_s: float) -> None:
        self._remembered_s = remembered_s
        self._seen: OrderedDict[str, float] = OrderedDict()

    def first_time(self, nonce: str, now_s: float) -> bool:
        """Note a nonce.

        Args:
            nonce: The nonce.
            now_s: The moment, seconds since 1970.

        Returns:
            Whether it was not seen lately.
        """
        while self._seen:
            oldest, seen_s = next(iter(self._seen.items()))
            if now_s - seen_s <= self._remembered_s and len(self._seen) <= MOST_REMEMBERED:
                break
            del self._seen[oldest]
        if nonce in self._seen:
            return False
        self._seen[nonce] = now_s
        return True
