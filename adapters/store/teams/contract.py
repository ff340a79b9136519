"""The contract of a store, as far as it keeps teams and their members."""

from __future__ import annotations

from abc import ABC


class TeamsStore(ABC):
    """Keeps teams and their members."""
