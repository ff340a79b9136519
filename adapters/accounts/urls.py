"""Endpoints in the form that the vendors' SDKs take."""

from __future__ import annotations


def http_url(url: str) -> str:
    """Return a ``ws`` or ``wss`` URL as ``http`` or ``https``, any other as it is."""
    return "http" + url.removeprefix("ws") if url.startswith("ws") else url
