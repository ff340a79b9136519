from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.signatures.base import SignedRequest
from adapters.signatures.telnyx import TelnyxSignature
from models.errors import InvalidField, Unauthorized
from tests.adapters.signatures.signers import NOW_S, TELNYX_PUBLIC_KEY, telnyx_headers

URL = "https://example.com/answer"
BODY = b"CallSid=v3%3Aabc&From=%2B1"
OTHER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"other").digest())


def check(headers: dict[str, str], *, body: bytes = BODY, now_s: float = NOW_S) -> None:
    TelnyxSignature(TELNYX_PUBLIC_KEY).check(SignedRequest(URL, headers, "POST", body), now_s)


def test_body_and_moment_are_covered() -> None:
    headers = telnyx_headers(BODY, NOW_S)
    check(headers)
    later = {**headers, "telnyx-timestamp": str(int(NOW_S) + 1)}
    for wrong, body in ((headers, BODY + b"1"), (later, BODY), (telnyx_headers(BODY, NOW_S, OTHER), BODY)):
        with pytest.raises(Unauthorized):
            check(wrong, body=body)


def test_an_empty_body_can_be_signed() -> None:
    check(telnyx_headers(b"", NOW_S), body=b"")


def test_it_is_good_for_five_minutes() -> None:
    headers = telnyx_headers(BODY, NOW_S)
    for now_s in (NOW_S - 300, NOW_S + 300):
        check(headers, now_s=now_s)
    for now_s in (NOW_S - 301, NOW_S + 301):
        with pytest.raises(Unauthorized):
            check(headers, now_s=now_s)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1.5", "\u0661", "9" * 400, f"{int(NOW_S)} "])
def test_odd_moments(timestamp: str) -> None:
    with pytest.raises(Unauthorized):
        check({**telnyx_headers(BODY, NOW_S), "telnyx-timestamp": timestamp})


@pytest.mark.parametrize("key", ["", "***", "YQ==", TELNYX_PUBLIC_KEY[:-4]])
def test_a_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(InvalidField) as caught:
        TelnyxSignature(key)
    assert caught.value.field == "telnyx_public_key"
