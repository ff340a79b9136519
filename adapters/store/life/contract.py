"""The contract of a store, as far as it keeps who runs an AIcall, until when, and what others ask of them."""

from __future__ import annotations

from abc import ABC


class LifeStore(ABC):
    """Keeps who runs an AIcall, until when, and what others ask of them."""
