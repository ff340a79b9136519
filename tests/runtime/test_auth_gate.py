"""Every phone system's proof, through the gate that the settings make."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from adapters.media.base import Handshake
from adapters.signatures.base import SignedRequest
from models.errors import InvalidField, Unauthorized
from runtime.auth_gate import AuthGate, gate_of
from runtime.settings import Settings
from tests.adapters.signatures.signers import (
    NOW_S,
    OTHER,
    SECRET,
    SIGNERS,
    TELNYX_PUBLIC_KEY,
    Signer,
    telnyx_headers,
    vonage_headers,
)
from tests.runtime.serving import settings_in

URL = "wss://calls.example.com/ws/7/t0ken/protocol"
INSIDE = "ws://10.0.0.7:8080/ws/7/t0ken/protocol"
"""The same URL as a server behind a proxy sees it."""

EVERY = {name: value for signer in SIGNERS for name, value in signer.settings.items()}
CASES = [(signer, protocol) for signer in SIGNERS for protocol in signer.protocols]
WITHOUT_ONE = ["plain", "voipbin", "audiosocket"]

each = pytest.mark.parametrize(("signer", "protocol"), CASES, ids=[f"{it.name}-{name}" for it, name in CASES])


def fresh_gate(**changes: Any) -> AuthGate:
    gate_of.cache_clear()
    return gate_of(settings_in(Path("nowhere"), **changes))


def refuse(gate: AuthGate, headers: dict[str, str], protocol: str | None, *, now_s: float = NOW_S) -> None:
    with pytest.raises(Unauthorized):
        gate.check_connection(Handshake(URL, "/", headers=headers), protocol, now_s)


@each
def test_a_known_protocol_must_prove_itself(signer: Signer, protocol: str) -> None:
    gate = fresh_gate(**signer.settings)
    refuse(gate, {}, protocol)
    refuse(gate, signer.headers(URL, NOW_S, False), protocol)
    if signer.bound:
        refuse(gate, signer.headers(INSIDE, NOW_S, True), protocol)
    if signer.window_s:
        refuse(gate, signer.headers(URL, NOW_S - signer.window_s - 1, True), protocol)
    headers = signer.headers(URL, NOW_S, True)
    gate.check_connection(Handshake(URL, "/", headers=headers), protocol, NOW_S)
    if signer.once:
        refuse(gate, headers, protocol)


@each
def test_one_that_does_not_say_what_it_speaks_must_prove_something(signer: Signer, protocol: str) -> None:
    gate = fresh_gate(**signer.settings)
    refuse(gate, {}, None)
    refuse(gate, signer.headers(URL, NOW_S, False), None)
    gate.check_connection(Handshake(URL, "/", headers=signer.headers(URL, NOW_S, True)), None, NOW_S)


@each
def test_all_secrets_together(signer: Signer, protocol: str) -> None:
    if signer.name == "audiohook-key-alone":
        pytest.skip("the client secret is set, so the key alone is not enough")
    # Several systems that share a header have secrets of their own.
    every = {**EVERY, "exotel_basic": "exotel:1", "asterisk_basic": "asterisk:2", "jambonz_basic": "jambonz:3"}
    gate = fresh_gate(**{**every, **signer.settings})
    refuse(gate, {}, protocol)
    for name in (protocol, None):
        refuse(gate, signer.headers(URL, NOW_S, False), name)
    gate.check_connection(Handshake(URL, "/", headers=signer.headers(URL, NOW_S, True)), protocol, NOW_S)


@pytest.mark.parametrize("protocol", WITHOUT_ONE)
@pytest.mark.parametrize("signer", SIGNERS, ids=lambda it: it.name)
def test_a_protocol_without_a_proof_needs_none(signer: Signer, protocol: str) -> None:
    gate = fresh_gate(**signer.settings)
    gate.check_connection(Handshake(URL, "/"), protocol, NOW_S)
    forged = Handshake(URL, "/", headers=signer.headers(URL, NOW_S, False))
    if signer.make().exclusive:
        # Whoever signs means to be that system.
        with pytest.raises(Unauthorized):
            gate.check_connection(forged, protocol, NOW_S)
    else:
        gate.check_connection(forged, protocol, NOW_S)


@pytest.mark.parametrize("protocol", ["cloudonix", "signalwire", "plivo", "vobiz"])
def test_a_signature_of_a_system_whose_secret_is_not_set_is_of_no_interest(protocol: str) -> None:
    secrets = {"twilio_auth_token": SECRET} if protocol in {"cloudonix", "signalwire"} else {}
    secrets |= {"plivo": {"vobiz_auth_token": SECRET}, "vobiz": {"plivo_auth_token": SECRET}}.get(protocol, {})
    headers = {"x-twilio-signature": "by its own key", "x-plivo-signature-v3": "x", "x-plivo-signature-v3-nonce": "1"}
    gate = fresh_gate(**secrets)
    gate.check_connection(Handshake(URL, "/", {"protocol": protocol}, headers), protocol, NOW_S)
    # Taken for it by those headers alone, it may be the other system.
    refuse(gate, headers, protocol)


def test_another_systems_secret_does_not_do() -> None:
    gate = fresh_gate(asterisk_basic="pbx:asterisk", jambonz_basic="pbx:jambonz", telnyx_stream_token=SECRET)
    for secret, right in (("pbx:asterisk", "asterisk"), ("pbx:jambonz", "jambonz")):
        headers = {"authorization": "Basic " + b64encode(secret.encode()).decode()}
        gate.check_connection(Handshake(URL, "/", headers=headers), right, NOW_S)
        for wrong in {"asterisk", "jambonz", "telnyx"} - {right}:
            refuse(gate, headers, wrong)


def test_with_no_secret_at_all_the_token_in_the_path_is_enough() -> None:
    gate = fresh_gate()
    for protocol in (None, "twilio", "genesys", "plain"):
        gate.check_connection(Handshake(URL, "/", headers={"x-twilio-signature": "x"}), protocol, NOW_S)
    assert not any(gate.answers_signed(name) for name in ("twilio", "telnyx", "exotel", "nobody"))


def test_there_is_one_gate_for_equal_settings() -> None:
    settings = settings_in(Path("nowhere"), twilio_auth_token=SECRET)
    assert gate_of(settings) is gate_of(settings_in(Path("nowhere"), twilio_auth_token=SECRET))
    assert gate_of(settings) is not gate_of(settings_in(Path("nowhere")))


@pytest.mark.parametrize("setting", ["telnyx_public_key", "genesys_client_secret"])
def test_a_key_that_cannot_be_read_is_named(setting: str) -> None:
    with pytest.raises(InvalidField) as caught:
        gate_of(Settings(**{setting: "***"}))
    assert caught.value.field == setting


# Answers

ANSWER = "https://calls.example.com/v1.0/answer/x/7"
BODY = b"CallSid=CA1&From=%2B1"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_answers_are_signed_by_carriers_whose_secret_is_set() -> None:
    gate = fresh_gate(
        telnyx_public_key=TELNYX_PUBLIC_KEY,
        cloudonix_api_key=SECRET,
        vonage_signature_secret=SECRET,
        exotel_basic="a:b",
    )
    for carrier, right, wrong in (
        ("telnyx", telnyx_headers(BODY, NOW_S), telnyx_headers(BODY + b"1", NOW_S)),
        ("cloudonix", {"x-cx-apikey": SECRET}, {"x-cx-apikey": OTHER}),
        ("cloudonix", {"authorization": f"Bearer {SECRET}"}, {"authorization": f"Bearer {OTHER}"}),
        ("vonage", vonage_headers(NOW_S, SECRET), vonage_headers(NOW_S, OTHER)),
    ):
        assert gate.answers_signed(carrier)
        gate.check_answer(carrier, SignedRequest(ANSWER, {**FORM, **right}, "POST", BODY), NOW_S)
        for headers in (wrong, {}):
            with pytest.raises(Unauthorized):
                gate.check_answer(carrier, SignedRequest(ANSWER, {**FORM, **headers}, "POST", BODY), NOW_S)
    # What a stream must bear says nothing of requests for answers.
    assert not gate.answers_signed("exotel")
    with pytest.raises(Unauthorized):
        gate.check_answer("exotel", SignedRequest(ANSWER), NOW_S)
