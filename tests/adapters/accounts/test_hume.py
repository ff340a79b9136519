import httpx
import pytest
from pydantic import SecretStr

from adapters.accounts.hume import check, list_voices
from adapters.accounts.offer import Offer
from adapters.keys import check_key
from adapters.requests import Credentials
from adapters.tts.table import TTS_TABLE
from models.errors import ProviderError
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.faults import Faults
from tests.standins.hume import VOICE_ID, HumeStandIn


async def test_a_key_is_checked_without_speaking() -> None:
    async with HumeStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [request.endpoint for request in vendor.requests] == ["voices"]
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)


async def test_lists_the_accounts_own_voices_and_then_all_pages_of_the_library() -> None:
    library = {f"{number:03}": f"Voice {number}" for number in range(150)}
    async with HumeStandIn(voices=library, custom_voices={"own": "Our clinic"}) as vendor, patient_clients() as clients:
        offers = await list_voices(Credentials(KEY, vendor.base_url), {}, clients)
        assert offers == [Offer("own", "Our clinic"), *(Offer(id_, name) for id_, name in library.items())]
        assert len(vendor.requests) == 3
        assert VOICE_ID not in {offer.id for offer in offers}


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (Faults(status=401), "the provider refused the key"),
        (Faults(status=429), "the provider has too many requests from this account"),
    ],
)
async def test_a_failure_is_told(faults: Faults, message: str) -> None:
    async with HumeStandIn(faults=faults) as vendor, patient_clients() as clients:
        with pytest.raises(ProviderError) as caught:
            await check_key(TTS_TABLE["hume"], Credentials(KEY, vendor.base_url), clients)
        assert caught.value.message == message
