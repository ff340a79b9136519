from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from adapters.callcontrol.base import Leg
from adapters.callcontrol.documents import LIFETIME_S, DocumentLinks, Instructions
from models.errors import NotFound, ToolFailed

KEYS = [Fernet.generate_key().decode() for _ in range(2)]
LEG = Leg("plivo", "call-1", server_url="http://ai.example.com/voice")
DOCUMENT = Instructions("application/xml", "<Response>ä</Response>")


class Clock:
    now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


def links(key: str = KEYS[0], public_url: str = "", clock: Clock | None = None) -> DocumentLinks:
    return DocumentLinks(key, public_url, clock=clock or Clock())


def token(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize(
    ("public_url", "base"),
    [
        ("", "http://ai.example.com/voice"),
        ("https://public.example.com/", "https://public.example.com"),
        ("wss://public.example.com/x", "https://public.example.com/x"),
        ("ws://public.example.com", "http://public.example.com"),
    ],
)
def test_where_a_link_leads(public_url: str, base: str) -> None:
    made = links(public_url=public_url)
    url = made.link(LEG, DOCUMENT)
    assert url.startswith(f"{base}/callcontrol/documents/")
    assert "=" not in url
    assert made.read(token(url)) == DOCUMENT


def test_nobody_knows_where_this_server_is() -> None:
    with pytest.raises(ToolFailed, match="no public URL"):
        links().link(Leg("plivo", "call-1"), DOCUMENT)


def test_what_stands_in_a_link_is_not_shown() -> None:
    assert "Response" not in links().link(LEG, DOCUMENT)


def test_its_time() -> None:
    clock = Clock()
    made = links(clock=clock)
    url = made.link(LEG, DOCUMENT)
    clock.now_s += LIFETIME_S - 1
    assert made.read(token(url)) == DOCUMENT
    clock.now_s += 2
    with pytest.raises(NotFound):
        made.read(token(url))


def test_another_process_with_the_same_key_reads_it() -> None:
    url = links().link(LEG, DOCUMENT)
    assert links().read(token(url)) == DOCUMENT
    assert links(f"{KEYS[1]}, {KEYS[0]}").read(token(url)) == DOCUMENT
    with pytest.raises(NotFound):
        links(KEYS[1]).read(token(url))


def test_what_is_stored_with_the_same_key_is_no_link() -> None:
    stored = Fernet(KEYS[0].encode()).encrypt_at_time(b'["a","b"]', int(Clock.now_s)).decode()
    with pytest.raises(NotFound):
        links().read(stored)


@given(st.text())
def test_anything_else_is_no_link(text: str) -> None:
    with pytest.raises(NotFound):
        links().read(text)
