"""The contract of a store, as far as it keeps knowledge bases and their documents."""

from __future__ import annotations

from abc import ABC


class KnowledgeStore(ABC):
    """Keeps knowledge bases and their documents."""
