"""Identifiers shared by all resources."""

from __future__ import annotations

from uuid import UUID

NIL_ID = UUID(int=0)
"""``00000000-0000-0000-0000-000000000000``: the seeds' word for "none"."""

DEFAULT_CUSTOMER_ID = UUID("00000000-0000-0000-0000-000000000001")
"""The one customer of the embedded default, which has a single API key."""
