"""httpx as an SDK: the pool for vendors that are asked without one. Apart, since httpx brings 15 MB with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import httpx

from adapters.clients import Sdk

PLAIN_HTTP = cast(
    "Sdk",
    SimpleNamespace(__name__="httpx", DefaultAsyncHttpxClient=httpx.AsyncClient, Timeout=httpx.Timeout),
)
"""httpx in the form of an SDK: the pool for vendors that are asked without one."""
