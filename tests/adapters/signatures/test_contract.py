"""What every scheme does, whatever a request holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.signatures.base import RequestAuth, SignedRequest
from adapters.signatures.telnyx import TelnyxSignature
from models.errors import Unauthorized
from tests.adapters.signatures.signers import NOW_S, SIGNERS, TELNYX_PUBLIC_KEY, Signer

URL = "wss://calls.example.com/voice/ws/7/t0ken/x?from=%2B15550001&to=a+b&to=c"

each = pytest.mark.parametrize("signer", SIGNERS, ids=lambda it: it.name)


def refuse(scheme: RequestAuth, request: SignedRequest, now_s: float = NOW_S) -> None:
    with pytest.raises(Unauthorized) as caught:
        scheme.check(request, now_s)
    for text in (*request.headers.values(), request.url):
        assert len(text) < 3 or text not in caught.value.message


@each
def test_the_right_one_passes(signer: Signer) -> None:
    scheme = signer.make()
    request = SignedRequest(URL, signer.headers(URL, NOW_S, True))
    assert scheme.presented(request)
    scheme.check(request, NOW_S)
    assert scheme.protocols == set(signer.protocols)
    assert scheme.name


@each
def test_a_missing_one_does_not(signer: Signer) -> None:
    scheme = signer.make()
    for headers in ({}, {"authorization": ""}, {"authorization": "Digest x"}, {"x-other": "1"}):
        request = SignedRequest(URL, headers)
        refuse(scheme, request)
    assert not scheme.presented(SignedRequest(URL))


@each
def test_one_with_another_secret_does_not(signer: Signer) -> None:
    refuse(signer.make(), SignedRequest(URL, signer.headers(URL, NOW_S, False)))


@each
def test_each_header_counts(signer: Signer) -> None:
    headers = signer.headers(URL, NOW_S, True)
    for name, value in headers.items():
        refuse(signer.make(), SignedRequest(URL, {**headers, name: value[::-1] + "x"}))
        refuse(signer.make(), SignedRequest(URL, {**headers, name: ""}))
        refuse(signer.make(), SignedRequest(URL, {key: it for key, it in headers.items() if key != name}))


@pytest.mark.parametrize("signer", [it for it in SIGNERS if it.bound], ids=lambda it: it.name)
def test_it_is_for_one_url(signer: Signer) -> None:
    for other in (URL.replace("t0ken", "token"), URL.replace("calls", "cells"), URL.replace("/voice", "")):
        refuse(signer.make(), SignedRequest(URL, signer.headers(other, NOW_S, True)))


@pytest.mark.parametrize("signer", [it for it in SIGNERS if it.window_s], ids=lambda it: it.name)
def test_it_is_good_for_a_while(signer: Signer) -> None:
    assert signer.window_s
    headers = signer.headers(URL, NOW_S, True)
    signer.make().check(SignedRequest(URL, headers), NOW_S + signer.window_s - 1)
    refuse(signer.make(), SignedRequest(URL, headers), NOW_S + signer.window_s + 1)
    refuse(signer.make(), SignedRequest(URL, headers), NOW_S - signer.window_s - 1)


@each
def test_whether_it_is_good_once_or_again(signer: Signer) -> None:
    scheme, request = signer.make(), SignedRequest(URL, signer.headers(URL, NOW_S, True))
    scheme.check(request, NOW_S)
    if signer.once:
        refuse(scheme, request, NOW_S + 1)
    else:
        scheme.check(request, NOW_S + 1)


SCHEMES = [signer.make() for signer in SIGNERS] + [TelnyxSignature(TELNYX_PUBLIC_KEY)]
NAMES = sorted({name for signer in SIGNERS for name in signer.headers(URL, NOW_S, True)})
NAMES += ["telnyx-timestamp", "telnyx-signature-ed25519", "content-type"]
junk = st.text(max_size=30) | st.sampled_from(
    [
        "Basic é",
        "Basic YQ==",
        "Bearer a.b.c",
        "Bearer e30.e30.",
        "sig1=()",
        "sig1=:YQ==:",
        'sig1=("x";sf);created=1',
        "9" * 20,
    ]
)


@given(headers=st.dictionaries(st.sampled_from(NAMES), junk), url=st.text(max_size=20) | st.just("wss://[::1"))
def test_junk_is_refused_and_nothing_else_happens(headers: dict[str, str], url: str) -> None:
    for scheme in SCHEMES:
        request = SignedRequest(url, headers, "POST", b"a=1&b=\xff")
        scheme.presented(request)
        with pytest.raises(Unauthorized):
            scheme.check(request, NOW_S)


def test_a_request_does_not_show_what_it_holds() -> None:
    assert not re.search("t0ken|secret", repr(SignedRequest(URL, {"authorization": "secret"}, "POST", b"secret")))


def test_a_form_keeps_all_values() -> None:
    headers = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
    assert SignedRequest("", headers, "POST", b"a=1&b=&a=%2B2+3").form == {"a": ["1", "+2 3"], "b": [""]}
    assert SignedRequest("", {"content-type": "application/json"}, "POST", b"a=1").form == {}
    assert SignedRequest("").form == {}
