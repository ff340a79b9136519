from __future__ import annotations

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from runtime.tokens import audiosocket_uuid, hash_audiosocket_uuid, hash_token, new_token, verify_token


def test_tokens_are_long_different_and_fit_a_path() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@given(token=st.text(), other=st.text())
def test_only_the_token_itself_fits_its_hash(token: str, other: str) -> None:
    digest = hash_token(token)
    assert len(digest) == 32
    assert verify_token(token, digest)
    assert verify_token(other, digest) == (other == token)


def test_half_a_surrogate_pair_is_a_wrong_token_like_any_other() -> None:
    assert not verify_token("\ud800", hash_token("x"))


def test_a_token_has_one_uuid_from_which_it_cannot_be_told() -> None:
    uuid = audiosocket_uuid("a token")
    assert uuid == audiosocket_uuid("a token") != audiosocket_uuid("another token")
    assert (uuid.version, uuid.variant) == (4, "specified in RFC 4122")
    digest = hashlib.sha256(b"audiosocket:a token").digest()
    assert uuid.bytes[:6] == digest[:6]
    # What is kept of either says nothing of the other.
    assert hash_audiosocket_uuid(uuid) == hashlib.sha256(uuid.bytes).digest() != hash_token("a token")
