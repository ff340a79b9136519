import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any

import pytest
from botocore.credentials import Credentials as SigningKey
from botocore.exceptions import ClientError
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters import aws
from adapters.aws import AwsClient, aws_client
from adapters.clients import SharedClients, VendorLimits
from adapters.requests import Credentials
from adapters.vendor_errors import classify
from tests.adapters.vendors import IMPATIENT, clients_with, until
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults

TOKEN = "a-session-token-that-must-not-be-shown"
SPEECH = {"OutputFormat": "pcm", "SampleRate": "8000", "VoiceId": "Joanna", "Text": "Hello there."}


def credentials_for(vendor: AwsStandIn, secret: str = DEFAULT_KEY, token: str = "") -> Credentials:
    return Credentials(SecretStr(secret), vendor.base_url, ACCESS_KEY, SecretStr(token))


def polly(vendor: AwsStandIn, clients: SharedClients) -> AwsClient:
    return aws_client("polly", credentials_for(vendor), {}, clients, clients.limits.voice_quiet_s)


@asynccontextmanager
async def asking(limits: VendorLimits = IMPATIENT, **common: Any) -> AsyncIterator[tuple[AwsStandIn, AwsClient]]:
    async with AwsStandIn(**common) as vendor, clients_with(limits) as clients:
        yield vendor, polly(vendor, clients)


async def test_whoever_asks_shares_a_client_and_its_connections() -> None:
    async with AwsStandIn(keys=("one", "two")) as vendor, clients_with(IMPATIENT) as clients:
        assert polly(vendor, clients) is polly(vendor, clients)
        for secret in ("one", "two", "one"):
            await polly(vendor, clients).ask(credentials_for(vendor, secret), "describe_voices")
        assert vendor.connections_made == 1


async def test_regions_and_services_have_clients_of_their_own() -> None:
    async with AwsStandIn() as vendor, clients_with(IMPATIENT) as clients:
        one = credentials_for(vendor)
        made = {
            aws_client(service, one, {"region": region}, clients, 1.0)
            for service in ("polly", "bedrock")
            for region in ("us-east-1", "eu-west-1")
        }
        assert len(made) == 4


async def test_requests_at_the_same_time_are_signed_with_their_own_keys() -> None:
    async with asking(keys=("one", "two")) as (vendor, client):
        secrets = ["one", "wrong", "two", "wrong", "one", "two"]
        asks = [client.ask(credentials_for(vendor, secret), "describe_voices") for secret in secrets]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert [isinstance(answer, dict) for answer in answers] == [secret != "wrong" for secret in secrets]
        refused = [answer for answer in answers if isinstance(answer, ClientError)]
        assert {classify(error) for error in refused} == {ErrorCategory.AUTHENTICATION}


async def test_no_key_is_left_behind() -> None:
    async with asking() as (vendor, client):
        await client.ask(credentials_for(vendor), "describe_voices")
        assert not any(isinstance(value, SigningKey) for value in copy_context().values())


async def test_a_key_that_does_not_exist_is_refused() -> None:
    async with asking() as (vendor, client):
        stranger = Credentials(SecretStr(DEFAULT_KEY), vendor.base_url, "AKIANOBODY0000000001")
        with pytest.raises(ClientError, match="UnrecognizedClientException") as refused:
            await client.ask(stranger, "describe_voices")
        assert classify(refused.value) is ErrorCategory.AUTHENTICATION
        assert len(vendor.requests) == 1


async def test_a_temporary_key_takes_its_token_along() -> None:
    async with asking() as (vendor, client):
        await client.ask(credentials_for(vendor, token=TOKEN), "describe_voices")
        (request,) = vendor.requests
        assert request.headers["x-amz-security-token"] == TOKEN
        assert "x-amz-security-token" in request.headers["authorization"]


async def test_the_region_is_signed_for() -> None:
    async with AwsStandIn(region="eu-central-1") as vendor, clients_with(IMPATIENT) as clients:
        one = credentials_for(vendor)
        await aws_client("polly", one, {"region": "eu-central-1"}, clients, 1.0).ask(one, "describe_voices")
        with pytest.raises(ClientError, match="valid region"):
            await aws_client("polly", one, {"region": "us-east-1"}, clients, 1.0).ask(one, "describe_voices")


async def test_the_servers_own_configuration_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_PROFILE": "absent",
        "AWS_BEARER_TOKEN_BEDROCK": "somebody-elses",
        "AWS_ACCESS_KEY_ID": "somebody-elses",
        "AWS_SECRET_ACCESS_KEY": "somebody-elses",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_MAX_ATTEMPTS": "7",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    aws._session.cache_clear()
    async with (
        AwsStandIn(endpoint_faults={"profiles": Faults(status=500)}) as vendor,
        clients_with(IMPATIENT) as clients,
    ):
        one = credentials_for(vendor)
        client = aws_client("bedrock", one, {}, clients, 1.0)
        await client.ask(one, "list_foundation_models")
        assert ACCESS_KEY in vendor.requests[0].headers["authorization"]
        with pytest.raises(ClientError):
            await client.ask(one, "list_inference_profiles", retries=0)
        assert len(vendor.requests_to("profiles")) == 1


@pytest.mark.parametrize(
    ("faults", "category", "times"),
    [
        pytest.param(Faults(status=500), ErrorCategory.SERVER, 2, id="broken"),
        pytest.param(Faults(status=429), ErrorCategory.RATE_LIMIT, 2, id="rate limit"),
        pytest.param(Faults(status=429, retry_after_s=60), ErrorCategory.RATE_LIMIT, 1, id="long pause"),
        pytest.param(Faults(status=403), ErrorCategory.AUTHORIZATION, 1, id="forbidden"),
        pytest.param(Faults(status=400), ErrorCategory.INVALID_REQUEST, 1, id="malformed"),
    ],
)
async def test_only_what_may_pass_is_asked_again(faults: Faults, category: ErrorCategory, times: int) -> None:
    async with asking(faults=faults) as (vendor, client):
        with pytest.raises(ClientError) as caught:
            await client.ask(credentials_for(vendor), "synthesize_speech", SPEECH)
        assert classify(caught.value) is category
        assert len(vendor.requests) == times


async def test_a_parameter_that_the_sdk_refuses_is_an_invalid_request() -> None:
    async with asking() as (vendor, client):
        with pytest.raises(Exception, match="Missing required parameter") as caught:
            await client.ask(credentials_for(vendor), "synthesize_speech", {})
        assert classify(caught.value) is ErrorCategory.INVALID_REQUEST
        assert not vendor.requests


async def test_a_silent_vendor_is_given_up() -> None:
    async with asking(VendorLimits(voice_quiet_s=0.2), faults=Faults(delay_s=60)) as (vendor, client):
        with pytest.raises(Exception, match="timeout") as caught:
            await client.ask(credentials_for(vendor), "describe_voices", retries=0)
        assert classify(caught.value) is ErrorCategory.CONNECTIVITY


async def test_a_failed_tls_handshake_shows() -> None:
    async with AwsStandIn() as vendor, clients_with(IMPATIENT) as clients:
        url = vendor.base_url.replace("http:", "https:")
        one = Credentials(SecretStr(DEFAULT_KEY), url, ACCESS_KEY)
        with pytest.raises(Exception, match="SSL") as caught:
            await aws_client("polly", one, {}, clients, 1.0).ask(one, "describe_voices", retries=0)
        assert classify(caught.value) is ErrorCategory.CONNECTIVITY


async def test_a_connection_is_opened_beforehand() -> None:
    async with asking() as (vendor, client):
        task = client.preconnect("tts")
        assert task is not None
        assert client.preconnect("tts") is None
        # A request that comes meanwhile takes that connection too.
        await client.ask(credentials_for(vendor), "describe_voices")
        assert task.done()
        assert vendor.connections_made == 1


async def test_closing_closes_the_connections() -> None:
    async with asking() as (vendor, client):
        await client.ask(credentials_for(vendor), "describe_voices")
        assert vendor.open_connections == 1
        await client.aclose()
        await until(lambda: not vendor.open_connections)


async def test_nothing_secret_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking() as (vendor, client):
        with pytest.raises(ClientError):
            await client.ask(credentials_for(vendor, "wrong-secret", TOKEN), "describe_voices")
    assert TOKEN not in caplog.text
    assert "wrong-secret" not in caplog.text
