import pytest
from pydantic import SecretStr

from adapters.accounts.google import check, list_voices
from adapters.accounts.offer import Offer
from adapters.keys import check_key
from adapters.requests import Credentials
from adapters.tts.table import TTS_TABLE
from models.errors import ProviderError
from tests.adapters.vendors import patient_clients
from tests.standins.faults import Faults
from tests.standins.google_accounts import service_account
from tests.standins.google_tts import VOICES, GoogleTtsStandIn

KEY = SecretStr(service_account())


async def test_an_account_is_checked_without_speaking() -> None:
    async with GoogleTtsStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(request.endpoint, request.body) for request in vendor.requests] == [
            ("voices", {"language_code": "en-US"})
        ]


async def test_lists_all_voices() -> None:
    async with GoogleTtsStandIn() as vendor, patient_clients() as clients:
        offers = await list_voices(Credentials(KEY, vendor.base_url), {}, clients)
        assert [offer.id for offer in offers] == list(VOICES)
        assert offers[0] == Offer("en-US-Wavenet-D", languages=("en-US",), gender="male")


@pytest.mark.parametrize(
    ("key", "faults", "message"),
    [
        (service_account("stranger"), Faults(), "the provider refused the key"),
        ("{}", Faults(), "the provider refused the key"),
        (service_account(), Faults(status=403), "the key does not open what is asked of the provider"),
        (service_account(), Faults(status=429), "the provider has too many requests from this account"),
        (service_account(), Faults(status=503), "the provider could not be reached"),
    ],
)
async def test_a_failure_is_told(key: str, faults: Faults, message: str) -> None:
    async with GoogleTtsStandIn(faults=faults) as vendor, patient_clients() as clients:
        with pytest.raises(ProviderError) as caught:
            await check_key(TTS_TABLE["google"], Credentials(SecretStr(key), vendor.base_url), clients)
        assert caught.value.message == message
