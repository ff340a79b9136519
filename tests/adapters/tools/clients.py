"""HTTP clients for stand-ins on loopback."""

from __future__ import annotations

import ssl

import httpx

from adapters.guard import AddressGuard, guarded_client

TLS = ssl.create_default_context()


def local_client(*, allow_private: bool = True, timeout_s: float = 10.0) -> httpx.AsyncClient:
    return guarded_client(AddressGuard(allow_private=allow_private), TLS, timeout_s=timeout_s)
