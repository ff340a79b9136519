from __future__ import annotations

import json
from urllib.parse import unquote, urlsplit

from adapters.answers.base import Stream
from adapters.answers.exotel import EXOTEL

URL = "wss://calls.example.com/ws/7/t/exotel"


def test_the_stream() -> None:
    assert json.loads(EXOTEL.connect(Stream(URL, {"from": "+1", "to": "2"})).body) == {"url": f"{URL}?from=%2B1&to=2"}


def test_a_password_stands_in_the_url() -> None:
    url = json.loads(EXOTEL.connect(Stream(URL, user_password="k@y:t/k:n")).body)["url"]
    parts = urlsplit(url)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("k@y", "t/k:n")
    assert (parts.hostname, parts.path) == ("calls.example.com", "/ws/7/t/exotel")


def test_there_is_no_document_that_declines() -> None:
    assert EXOTEL.decline("No.") is None
