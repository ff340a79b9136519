import asyncio
import base64
import json
import threading
import time
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.auth.exceptions import MalformedError
from google.cloud.texttospeech_v1 import ListVoicesRequest, ListVoicesResponse
from pydantic import SecretStr

from adapters.google_cloud import GoogleApi, ServiceAccount, google_api
from adapters.requests import Credentials
from tests.adapters.vendors import impatient_clients, until
from tests.standins.faults import Faults
from tests.standins.google_accounts import check_token, service_account
from tests.standins.google_tts import VOICES, GoogleTtsStandIn
from tests.standins.grpc_base import GrpcError

AUDIENCE = GoogleTtsStandIn.AUDIENCE
PATH = "/google.cloud.texttospeech.v1.TextToSpeech/ListVoices"
REQUEST = ListVoicesRequest.serialize(ListVoicesRequest())


def credentials(vendor: GoogleTtsStandIn, account: str = "") -> Credentials:
    return Credentials(SecretStr(account or service_account()), vendor.base_url)


async def ask(api: GoogleApi, quiet_s: float = 5.0) -> list[bytes]:
    call = api.call(PATH, [REQUEST])
    try:
        return [message async for message in call.responses(quiet_s)]
    finally:
        call.close()


def pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()), "ascii")


def account_with(private_key: object) -> SecretStr:
    return SecretStr(json.dumps(json.loads(service_account()) | {"private_key": private_key}))


def test_a_token_is_what_google_checks_and_is_kept() -> None:
    account = ServiceAccount(SecretStr(service_account()), AUDIENCE)
    token = account.token
    check_token(token, AUDIENCE, [service_account()])
    began_s = time.thread_time()
    assert {account.token for _ in range(100)} == {token}
    # Signing each would take 100 ms and more.
    assert time.thread_time() - began_s < 0.03
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 3600
    with pytest.raises(GrpcError):
        check_token(token, "https://dialogflow.googleapis.com/", [service_account()])


@pytest.mark.parametrize(
    "document",
    [
        SecretStr("unused"),
        SecretStr("[]"),
        SecretStr("{}"),
        account_with(""),
        account_with(7),
        account_with("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        account_with(pem(ec.generate_private_key(ec.SECP256R1()))),
    ],
)
def test_a_key_that_cannot_be_read_is_refused(document: SecretStr) -> None:
    with pytest.raises(MalformedError) as refused:
        ServiceAccount(document, AUDIENCE)
    assert refused.value.__cause__ is None
    assert "BEGIN" not in str(refused.value)


def test_a_key_that_does_not_fit_together_is_refused() -> None:
    good = rsa.generate_private_key(65_537, 2048).private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        good.p, good.q, good.d + 2, good.dmp1 + 2, good.dmq1 + 2, good.iqmp, good.public_numbers
    )
    key = pem(wrong.private_key(unsafe_skip_rsa_key_validation=True))
    with pytest.raises(MalformedError, match="fit together"):
        ServiceAccount(account_with(key), AUDIENCE)


def test_an_enormous_key_is_refused_before_it_signs() -> None:
    # Its factors need not be primes to show its size.
    p, q = 2**4099 + 1, 2**4098 + 1
    numbers = rsa.RSAPrivateNumbers(p, q, 5, 3, 3, 3, rsa.RSAPublicNumbers(65_537, p * q))
    key = pem(numbers.private_key(unsafe_skip_rsa_key_validation=True))
    began_s = time.thread_time()
    with pytest.raises(MalformedError, match="usual size"):
        ServiceAccount(account_with(key), AUDIENCE)
    assert time.thread_time() - began_s < 0.01


async def test_a_call_is_answered_and_leaves_nothing() -> None:
    async with GoogleTtsStandIn() as vendor, impatient_clients() as clients:
        api = google_api(credentials(vendor), AUDIENCE, clients)
        (message,) = await ask(api)
        assert [voice.name for voice in ListVoicesResponse.deserialize(message).voices] == list(VOICES)
        await clients.aclose()
        await vendor.all_closed()


async def test_one_connection_for_each_account_and_no_thread_for_each_call() -> None:
    async with GoogleTtsStandIn(keys=None) as vendor, impatient_clients() as clients:
        api = google_api(credentials(vendor), AUDIENCE, clients)
        assert google_api(credentials(vendor), AUDIENCE, clients) is api
        await ask(api)
        before = threading.active_count()
        await asyncio.gather(*(ask(api) for _ in range(20)))
        assert threading.active_count() == before
        assert vendor.connections_made == 1
        assert google_api(credentials(vendor, service_account("other")), AUDIENCE, clients) is not api


async def test_connecting_asks_nothing() -> None:
    async with GoogleTtsStandIn() as vendor, impatient_clients() as clients:
        api = google_api(credentials(vendor), AUDIENCE, clients)
        await api.connect()
        assert (vendor.connections_made, vendor.requests) == (1, [])
        await ask(api)
        assert vendor.connections_made == 1


async def test_silence_is_bounded_and_ends_the_call() -> None:
    async with GoogleTtsStandIn(faults=Faults(stall_after=0)) as vendor, impatient_clients() as clients:
        with pytest.raises(TimeoutError):
            await ask(google_api(credentials(vendor), AUDIENCE, clients), quiet_s=0.05)
        await until(lambda: not vendor.open_streams)


async def test_closing_a_call_stops_the_vendor() -> None:
    async with GoogleTtsStandIn(faults=Faults(stall_after=0)) as vendor, impatient_clients() as clients:
        call = google_api(credentials(vendor), AUDIENCE, clients).call(PATH, [REQUEST])
        await vendor.until(lambda: bool(vendor.requests))
        call.close()
        call.close()
        await until(lambda: not vendor.open_streams)


async def test_after_an_outage_it_connects_again_within_the_pause_of_a_call() -> None:
    async with GoogleTtsStandIn() as vendor, impatient_clients() as clients:
        api = google_api(credentials(vendor), AUDIENCE, clients)
        await ask(api)
        await vendor.refuse()
        vendor.drop_connections()
        await vendor.all_closed()
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(api)
        await vendor.accept()
        began_s = asyncio.get_running_loop().time()
        await api.connect()
        # gRPC's own pause would be a second and more.
        assert asyncio.get_running_loop().time() - began_s < 0.8
        assert await ask(api)


async def test_a_kept_exception_keeps_no_connection() -> None:
    kept = []
    async with GoogleTtsStandIn(faults=Faults(status=403)) as vendor, impatient_clients() as clients:
        try:
            await ask(google_api(credentials(vendor), AUDIENCE, clients))
        except grpc.aio.AioRpcError as error:
            kept.append(error)
        await clients.aclose()
        await vendor.all_closed()
    assert kept[0].code() is grpc.StatusCode.PERMISSION_DENIED
