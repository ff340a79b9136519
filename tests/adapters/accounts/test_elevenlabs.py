import pytest
from elevenlabs.core.api_error import ApiError
from pydantic import SecretStr

from adapters.accounts.elevenlabs import check, list_voices
from adapters.accounts.offer import Offer
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.elevenlabs import ElevenLabsStandIn


async def test_a_key_is_checked_without_generating_anything() -> None:
    async with ElevenLabsStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(request.method, request.path) for request in vendor.requests] == [("GET", "/v1/user")]
        with pytest.raises(ApiError) as caught:
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)
        assert caught.value.status_code == 401


async def test_lists_the_voices_of_every_page() -> None:
    voices = {f"voice-{number:03}": f"Voice {number}" for number in range(230)}
    async with ElevenLabsStandIn(voices=voices) as vendor, patient_clients() as clients:
        offers = await list_voices(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(offer.id, offer.name) for offer in offers] == list(voices.items())
        assert offers[0] == Offer("voice-000", "Voice 0", ("en",), "female")
        assert len(vendor.requests) == 3
