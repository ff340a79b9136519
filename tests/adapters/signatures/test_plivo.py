from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import validate_v3_signature  # type: ignore[import-untyped]

from adapters.signatures.base import SignedRequest
from adapters.signatures.plivo import PlivoSignature, sign
from models.errors import Unauthorized
from tests.adapters.signatures.signers import NONCE, NOW_S, SECRET

FORM = "application/x-www-form-urlencoded"
words = st.text("abcXYZ019 _-+&=.é", max_size=6)
queries = st.sampled_from(["", "?", "?b=2&a=1", "?a=2&a=1&c=", "?from=%2B1&to=x+y"])
urls = st.builds(
    lambda scheme, path, query: f"{scheme}://example.com/{path}{query}",
    st.sampled_from(["https", "http"]),
    st.sampled_from(["", "a", "a/b.xml"]),
    queries,
)
forms = st.dictionaries(words.filter(bool), words | st.lists(words, min_size=2, max_size=3), max_size=3)


@given(method=st.sampled_from(["GET", "POST"]), url=urls, form=forms)
def test_plivos_own_package_makes_the_same_signature(method: str, url: str, form: dict[str, str | list[str]]) -> None:
    given_ = {} if method == "GET" else form
    signature = sign(SECRET, method, url, NONCE, given_)
    assert validate_v3_signature(method, url, NONCE, SECRET, signature, dict(given_))
    assert not validate_v3_signature(method, url, NONCE, SECRET + "x", signature, dict(given_))


def test_vectors() -> None:
    # Made with plivo 4.63.
    assert (
        sign("12345", "GET", "https://example.com/answer?b=2&a=1", "678")
        == "DWSlBiFVBAWGKIm0AqoZyWjgev9FyMBVs3YyFN9HA4M="
    )
    assert (
        sign("12345", "POST", "https://example.com/answer?b=2&a=1", "678", {"To": "1", "From": "2"})
        == "JWL8KIYVL8ZI+3fDw0vdYolFWcXEU53DVVZrNtny88M="
    )


def test_a_form_is_covered() -> None:
    url, body = "https://example.com/answer", b"To=1&From=%2B2"
    headers = {
        "content-type": FORM,
        "x-plivo-signature-v3": sign(SECRET, "POST", url, NONCE, {"To": "1", "From": "+2"}),
        "x-plivo-signature-v3-nonce": NONCE,
    }
    scheme = PlivoSignature(SECRET)
    scheme.check(SignedRequest(url, headers, "POST", body), NOW_S)
    with pytest.raises(Unauthorized):
        scheme.check(SignedRequest(url, headers, "POST", body + b"1"), NOW_S)


def test_one_of_several_is_enough() -> None:
    url = "wss://example.com/ws/1/t"
    right = sign(SECRET, "GET", url, NONCE)
    for value in (f"wrong,{right}", f"{right}, wrong", f" {right} "):
        headers = {"x-plivo-signature-v3": value, "x-plivo-signature-v3-nonce": NONCE}
        PlivoSignature(SECRET).check(SignedRequest(url, headers), NOW_S)


def test_a_stream_may_be_signed_as_the_http_request_that_it_is() -> None:
    for scheme, signed in (("wss", "https"), ("ws", "http")):
        value = sign(SECRET, "GET", f"{signed}://example.com/ws", NONCE)
        headers = {"x-plivo-signature-v3": value, "x-plivo-signature-v3-nonce": NONCE}
        PlivoSignature(SECRET).check(SignedRequest(f"{scheme}://example.com/ws", headers), NOW_S)
        with pytest.raises(Unauthorized):
            PlivoSignature(SECRET).check(SignedRequest(f"x{scheme}://example.com/ws", headers), NOW_S)
