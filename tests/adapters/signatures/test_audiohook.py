from __future__ import annotations

from typing import Any

import pytest

from adapters.signatures.audiohook import AudioHookSignature
from adapters.signatures.base import SignedRequest
from models.errors import InvalidField, Unauthorized
from tests.adapters.signatures.signers import API_KEY, CLIENT_SECRET, NOW_S, SECRET, audiohook_headers

URL = "wss://audiohook.example.com/api/v1/voicebiometrics/ws"

DOCUMENTED = {
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "x-api-key": "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh",
    "signature": "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
    "signature-input": 'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" '
    '"audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
    'nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430',
}
"""The example of Genesys' own document, at the moment that it was made."""
DOCUMENTED_SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
DOCUMENTED_S = 1_641_013_200.0


def check(url: str = URL, *, now_s: float = NOW_S, key: str = API_KEY, **changes: Any) -> None:
    headers = audiohook_headers(url, NOW_S, SECRET.encode(), **changes)
    AudioHookSignature(key, CLIENT_SECRET).check(SignedRequest(url, headers), now_s)


def test_the_documents_own_example() -> None:
    AudioHookSignature("", DOCUMENTED_SECRET).check(SignedRequest(URL, DOCUMENTED), DOCUMENTED_S)
    for name, value in DOCUMENTED.items():
        wrong = {**DOCUMENTED, name: value.replace("4", "5").replace("NZ", "MZ").replace("SGVs", "SGVt")}
        with pytest.raises(Unauthorized):
            AudioHookSignature("", DOCUMENTED_SECRET).check(SignedRequest(URL, wrong), DOCUMENTED_S)


def test_the_order_of_what_is_covered_is_free() -> None:
    covered = ["x-api-key", "audiohook-session-id", "audiohook-organization-id", "@authority", "@request-target"]
    check(covered=[*covered, "audiohook-correlation-id"])


@pytest.mark.parametrize("left_out", range(6))
def test_all_that_must_be_is_covered(left_out: int) -> None:
    covered = ["@request-target", "@authority", "audiohook-organization-id", "audiohook-session-id"]
    covered += ["audiohook-correlation-id", "x-api-key"]
    del covered[left_out]
    with pytest.raises(Unauthorized):
        check(covered=covered)


@pytest.mark.parametrize("url", ["wss://h.example/a?b=c&d=%2B", "ws://h.example:8080/", "wss://h.example/"])
def test_target_and_authority(url: str) -> None:
    check(url)


def test_the_port_of_the_scheme_and_the_case_of_the_host_do_not_count() -> None:
    for dialled, signed in (
        ("wss://h.example:443/a", "wss://h.example/a"),
        ("ws://H.Example:80/a", "ws://h.example/a"),
    ):
        headers = audiohook_headers(signed, NOW_S, SECRET.encode())
        AudioHookSignature(API_KEY, CLIENT_SECRET).check(SignedRequest(dialled, headers), NOW_S)


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "ecdsa-p256-sha256"},
        {"keyid": "another"},
        {"keyid": ""},
        {"keyid": 7},
        {"nonce": "a" * 21},
        {"created": int(NOW_S) - 11},
        {"created": int(NOW_S) + 4},
        {"created": ""},
        {"created": "now"},
        {"expires": int(NOW_S)},
        {"expires": "later"},
        {"tag": "x"},
    ],
)
def test_parameters_that_do_not_hold(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        check(**changes)


@pytest.mark.parametrize("changes", [{"alg": ""}, {"expires": ""}, {"created": int(NOW_S) + 3}, {"nonce": "b" * 22}])
def test_parameters_that_hold(changes: dict[str, Any]) -> None:
    check(**changes)


def test_another_key_of_the_organisation() -> None:
    check(key="")
    with pytest.raises(Unauthorized):
        check(key="another")


@pytest.mark.parametrize("secret", ["", "***", "YQ"])
def test_a_secret_that_is_none_is_named(secret: str) -> None:
    with pytest.raises(InvalidField) as caught:
        AudioHookSignature(API_KEY, secret)
    assert caught.value.field == "genesys_client_secret"


@pytest.mark.parametrize(
    ("inputs", "value"),
    [
        ("", "sig1=:YQ==:"),
        ("sig1", "sig1=:YQ==:"),
        ("sig1=1", "sig1=:YQ==:"),
        ('sig1=("x-api-key";sf);created=1', "sig1=:YQ==:"),
        ('sig1=("x-api-key" "x-api-key");created=1', "sig1=:YQ==:"),
        ("sig1=(1 2);created=1", "sig1=:YQ==:"),
        ("sig1=();created=1", "sig2=:YQ==:"),
        ("sig1=();created=1", "sig1=(:YQ==:)"),
        ("sig1=();created=1", "sig1=text"),
        ("sig1=()é", "sig1=:YQ==:"),
    ],
)
def test_fields_that_cannot_be_read(inputs: str, value: str) -> None:
    headers = audiohook_headers(URL, NOW_S, SECRET.encode()) | {"signature-input": inputs, "signature": value}
    with pytest.raises(Unauthorized):
        AudioHookSignature(API_KEY, CLIENT_SECRET).check(SignedRequest(URL, headers), NOW_S)
