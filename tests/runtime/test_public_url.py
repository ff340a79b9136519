from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import HTTPConnection

from runtime.public_url import dialled_url, media_base, media_url, requested_url
from tests.runtime.serving import settings_in

ID = UUID(int=7)


def connection(scheme: str = "http", host: str = "pbx.example:8080", **scope: Any) -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "http",
            "scheme": scheme,
            "server": ("10.0.0.1", 80),
            "path": "/v1.0/aicalls",
            "query_string": b"",
            "headers": [(b"host", host.encode())],
            **scope,
        }
    )


@pytest.mark.parametrize(
    ("scheme", "host", "public_url", "base"),
    [
        ("http", "pbx.example:8080", "", "ws://pbx.example:8080"),
        ("https", "calls.example.com", "", "wss://calls.example.com"),
        ("wss", "calls.example.com", "", "wss://calls.example.com"),
        ("http", "[::1]:8080", "", "ws://[::1]:8080"),
        ("http", "inside:8080", "https://calls.example.com", "wss://calls.example.com"),
        ("http", "inside:8080", "wss://calls.example.com/pbx/", "wss://calls.example.com/pbx"),
        ("https", "inside:8080", "http://10.1.1.1:9", "ws://10.1.1.1:9"),
    ],
)
def test_media_urls(tmp_path: Path, scheme: str, host: str, public_url: str, base: str) -> None:
    settings = settings_in(tmp_path, public_url=public_url)
    assert media_base(connection(scheme, host), settings) == base
    assert media_url(connection(scheme, host), settings, ID, "t0k_-") == f"{base}/ws/{ID}/t0k_-"
    assert media_url(connection(scheme, host), settings, ID, "t", "plivo") == f"{base}/ws/{ID}/t/plivo"


def test_what_was_dialled_is_put_together_as_it_was_written(tmp_path: Path) -> None:
    dialled = connection(
        "wss",
        "calls.example.com",
        type="websocket",
        path="/ws/7/t",
        raw_path=b"/ws/7/t%20t",
        query_string=b"from=%2B15550001&to=a+b",
    )
    settings = settings_in(tmp_path)
    assert dialled_url(dialled, settings) == "wss://calls.example.com/ws/7/t%20t?from=%2B15550001&to=a+b"
    plain = connection("ws", "h:1", type="websocket", path="/ws/7/t", raw_path=b"/ws/7/t")
    assert dialled_url(plain, settings) == "ws://h:1/ws/7/t"
    behind = settings_in(tmp_path, public_url="https://calls.example.com")
    assert dialled_url(plain, behind) == "wss://calls.example.com/ws/7/t"


def test_what_was_requested_is_written_as_http(tmp_path: Path) -> None:
    for scheme in ("https", "wss"):
        requested = connection(scheme, "calls.example.com", raw_path=b"/v1.0/answer/x/7", query_string=b"a=%2B1")
        assert requested_url(requested, settings_in(tmp_path)) == "https://calls.example.com/v1.0/answer/x/7?a=%2B1"
    for public_url in ("http://pbx.example/p", "ws://pbx.example/p"):
        settings = settings_in(tmp_path, public_url=public_url)
        assert requested_url(requested, settings) == "http://pbx.example/p/v1.0/answer/x/7?a=%2B1"
