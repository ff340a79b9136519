import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from adapters.accounts.offer import Offer
from adapters.accounts.polly import check, list_voices
from adapters.keys import check_key, list_offers
from adapters.requests import Credentials
from adapters.tts.table import TTS_TABLE
from models.errors import ProviderError
from tests.adapters.vendors import KEY, impatient_clients
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.base import StandIn
from tests.standins.faults import Faults


def credentials_for(vendor: StandIn, secret: SecretStr = KEY) -> Credentials:
    return Credentials(secret, vendor.base_url, ACCESS_KEY)


async def test_a_key_is_checked_without_speaking() -> None:
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        await check(credentials_for(vendor), {"region": "us-east-1"}, clients)
        assert [(request.method, request.path) for request in vendor.requests] == [("GET", "/v1/voices")]
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            await check(credentials_for(vendor, SecretStr("wrong")), {}, clients)


async def test_a_key_that_may_only_speak_is_good() -> None:
    async with AwsStandIn(faults=Faults(status=403)) as vendor, impatient_clients() as clients:
        await check(credentials_for(vendor), {}, clients)


async def test_lists_the_voices_of_every_page() -> None:
    async with AwsStandIn(page=3) as vendor, impatient_clients() as clients:
        offers = await list_voices(credentials_for(vendor), {}, clients)
        assert Offer("Kajal", "Kajal", ("en-IN", "hi-IN"), "female") in offers
        assert len(offers) == len(vendor.voices) > 3


async def test_lists_the_voices_of_an_engine() -> None:
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        offers = await list_voices(credentials_for(vendor), {"engine": "long-form"}, clients)
        assert [offer.id for offer in offers] == ["Patrick"]


async def test_the_row_asks_this_module() -> None:
    row = TTS_TABLE["aws"]
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        await check_key(row, credentials_for(vendor), clients)
        offers = await list_offers(row, "voices", credentials_for(vendor), clients)
        assert offers is not None
        assert row.default_voice in [offer.id for offer in offers]
        with pytest.raises(ProviderError, match="refused the key"):
            await check_key(row, credentials_for(vendor, SecretStr("wrong")), clients)
