from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from adapters.signatures.twilio import sign, verify

TOKEN = "12345"
VECTORS = {
    "wss://example.com/media": "7PR3qMkpDyEJtMrVOY/LDyNq8J8=",
    "wss://example.com:443/media": "zyyJQiPZXIGCLy3HYdHEfry0yDg=",
    "wss://example.com/media/": "T+WBXwUXC0/CyoZ1DA+p9ilZORs=",
    "https://example.com/media": "6HZQ7Cq/dSYDCAiy3qRA6PZfACI=",
}

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
path_letters = st.text("abcXYZ019-_./%~+é", max_size=12)
urls = st.builds(
    lambda scheme, host, port, path, query: f"{scheme}://{host}{port}/{path}{query}",
    st.sampled_from(["wss", "ws", "https", "http"]),
    st.sampled_from(["example.com", "a.b-c.example", "127.0.0.1"]),
    st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"), st.sampled_from([":443", ":80"])),
    path_letters,
    st.one_of(st.just(""), path_letters.filter(bool).map(lambda query: f"?q={query}")),
)
forms = st.none() | st.dictionaries(words, words, max_size=3)


@pytest.mark.parametrize(("url", "signature"), VECTORS.items())
def test_vectors(url: str, signature: str) -> None:
    assert sign(TOKEN, url) == signature
    assert verify(TOKEN, url, signature)
    assert not verify("12346", url, signature)
    assert not verify(TOKEN, url + "x", signature)
    assert not verify(TOKEN, url, signature.swapcase())


def test_the_port_may_be_given_or_not() -> None:
    with_port = VECTORS["wss://example.com:443/media"]
    without = VECTORS["wss://example.com/media"]
    assert verify(TOKEN, "wss://example.com/media", with_port)
    assert verify(TOKEN, "wss://example.com:443/media", without)
    assert verify(TOKEN, "wss://example.com:8443/media", without)
    assert not verify(TOKEN, "wss://example.com:8443/media", with_port)
    assert not verify(TOKEN, "https://example.com/media", without)


@given(token=words.filter(bool), url=urls, params=forms)
def test_twilios_own_validator_makes_the_same_signature(token: str, url: str, params: dict[str, str] | None) -> None:
    signature = RequestValidator(token).compute_signature(url, params or {})
    assert sign(token, url, params) == signature
    assert verify(token, url, signature, params)


@given(token=words.filter(bool), url=urls, signed=urls, params=forms)
def test_whatever_twilios_own_validator_takes_is_taken(
    token: str, url: str, signed: str, params: dict[str, str] | None
) -> None:
    oracle = RequestValidator(token)
    origin = url.split("/")[2].partition(":")[0]
    for candidate in (url, signed, url.replace(origin, f"{origin}:80", 1), url.replace(origin, f"{origin}:443", 1)):
        signature = oracle.compute_signature(candidate, params or {})
        if oracle.validate(url, params, signature):
            assert verify(token, url, signature, params)
    if url.split("/", 3)[3] != signed.split("/", 3)[3]:
        assert not verify(token, url, sign(token, signed, params), params)


def test_fields_with_several_values() -> None:
    class MultiDict(dict[str, list[str]]):
        def getlist(self, name: str) -> list[str]:
            return self[name]

    fields = MultiDict(b=["2", "1", "2"], a=["x"])
    url = "https://example.com/status"
    assert sign(TOKEN, url, dict(fields)) == RequestValidator(TOKEN).compute_signature(url, fields)


def test_an_empty_token_opens_nothing() -> None:
    url = "wss://example.com/media"
    assert not verify("", url, sign("", url))


@pytest.mark.parametrize("url", ["", "wss://[::1", "wss://h:99999/", "wss://h:x/", "no url", "wss://h:0/", "wss://h:/"])
def test_odd_urls_and_signatures_do_not_raise(url: str) -> None:
    assert verify(TOKEN, url, sign(TOKEN, url))
    for wrong in ("", "é", "\udcff", "7PR3qMkpDyEJtMrVOY/LDyNq8J8="):
        assert not verify(TOKEN, url, wrong)


def test_ipv6_and_user_information_keep_their_colons() -> None:
    assert verify(TOKEN, "wss://u:p@[::1]:443/m", sign(TOKEN, "wss://u:p@[::1]/m"))
    assert verify(TOKEN, "wss://u:p@[::1]/m", sign(TOKEN, "wss://u:p@[::1]:443/m"))
