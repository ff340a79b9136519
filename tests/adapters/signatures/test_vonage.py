from __future__ import annotations

import hashlib
from typing import Any

import jwt
import pytest

from adapters.signatures.base import SignedRequest
from adapters.signatures.vonage import VonageJwt, payload_hash
from models.errors import Unauthorized
from tests.adapters.signatures.signers import NOW_S, SECRET, vonage_headers

URL = "https://example.com/v1.0/answer/vonage/7"


def check(*, url: str = URL, method: str = "GET", body: bytes = b"", application: str = "", **claims: Any) -> None:
    request = SignedRequest(url, vonage_headers(NOW_S, SECRET, **claims), method, body)
    VonageJwt(SECRET, application_id=application).check(request, NOW_S)


def test_a_posts_hash_is_its_bodys() -> None:
    body = b'{"from":"1","to":"2"}'
    hashed = hashlib.sha256(body).hexdigest()
    check(method="POST", body=body, payload_hash=hashed)
    check(method="POST", body=body, payload_hash=hashed.upper())
    with pytest.raises(Unauthorized):
        check(method="POST", body=body + b" ", payload_hash=hashed)


def test_a_gets_hash_is_its_querys_as_json() -> None:
    hashed = hashlib.sha256('{"to":"+44","from":"é/","uuid":""}'.encode()).hexdigest()
    url = f"{URL}?to=%2B44&from=%C3%A9/&uuid="
    assert payload_hash(SignedRequest(url)) == hashed
    check(url=url, payload_hash=hashed)
    with pytest.raises(Unauthorized):
        check(url=url + "1", payload_hash=hashed)


def test_a_stream_has_no_content() -> None:
    check(url="wss://example.com/ws/7/t?from=1", payload_hash="whatever")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S},
        {"exp": "soon"},
        {"nbf": NOW_S + 301},
        {"nbf": "x"},
        {"iat": NOW_S - 301},
        {"iat": NOW_S + 301},
        {"iat": None},
        {"payload_hash": 7},
        {"payload_hash": ""},
    ],
)
def test_claims_that_do_not_hold(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        check(**claims)


def test_claims_that_hold() -> None:
    check(exp=NOW_S + 1, nbf=NOW_S, aud="anybody", sub="x")


def test_another_application_of_the_account() -> None:
    check(application="app")
    check(application="other", application_id=None)
    with pytest.raises(Unauthorized):
        check(application="other")


def test_only_one_algorithm_counts() -> None:
    claims = {"iat": int(NOW_S)}
    for token in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, SECRET * 2, algorithm="HS512"),
        "not.a.jwt",
    ):
        with pytest.raises(Unauthorized):
            VonageJwt(SECRET).check(SignedRequest(URL, {"authorization": f"Bearer {token}"}), NOW_S)


@pytest.mark.filterwarnings("default::jwt.InsecureKeyLengthWarning")
def test_a_short_secret_is_no_error() -> None:
    headers = vonage_headers(NOW_S, "short")
    VonageJwt("short").check(SignedRequest(URL, headers), NOW_S)
