import httpx
import pytest
from pydantic import SecretStr

from adapters.accounts.azure_speech import check, list_voices
from adapters.accounts.offer import Offer
from adapters.keys import check_key, list_offers
from adapters.requests import Credentials
from adapters.tts.table import TTS_TABLE
from models.errors import ProviderError
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.azure_speech import AzureSpeechStandIn
from tests.standins.faults import Faults


async def test_a_key_is_checked_without_speaking() -> None:
    async with AzureSpeechStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [request.endpoint for request in vendor.requests] == ["voices"]
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)


async def test_lists_the_voices() -> None:
    async with AzureSpeechStandIn() as vendor, patient_clients() as clients:
        offers = await list_voices(Credentials(KEY, vendor.base_url), {}, clients)
        assert offers[0] == Offer("en-US-JennyNeural", "Jenny", ("en-US",), "female")
        assert len(offers) == 4


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(status=401), "the provider refused the key"),
        (Faults(status=500), "the provider failed"),
        (Faults(answer=("text/html", b"<html></html>")), "the provider failed"),
    ],
)
async def test_a_failure_is_told(faults: Faults, message: str) -> None:
    row = TTS_TABLE["azure"]
    async with AzureSpeechStandIn(faults=faults) as vendor, patient_clients() as clients:
        with pytest.raises(ProviderError) as caught:
            await check_key(row, Credentials(KEY, vendor.base_url), clients)
        assert caught.value.message == message
        with pytest.raises(ProviderError):
            await list_offers(row, "voices", Credentials(KEY, vendor.base_url), clients)
