import pytest
from deepgram.core.api_error import ApiError
from pydantic import SecretStr

from adapters.accounts.deepgram import check, list_models, list_voices
from adapters.accounts.offer import Offer
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.deepgram import DeepgramStandIn


async def test_a_key_is_checked_without_generating_anything() -> None:
    async with DeepgramStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(request.method, request.path) for request in vendor.requests] == [("GET", "/v1/projects")]
        with pytest.raises(ApiError) as caught:
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)
        assert caught.value.status_code == 401


async def test_lists_each_model_that_transcribes_live_once() -> None:
    async with DeepgramStandIn() as vendor, patient_clients() as clients:
        offers = await list_models(Credentials(KEY, vendor.base_url), {}, clients)
        assert offers == [Offer("nova-3-general", "general", ("en", "de"))]


async def test_lists_the_voices() -> None:
    async with DeepgramStandIn() as vendor, patient_clients() as clients:
        offers = await list_voices(Credentials(KEY, vendor.base_url), {}, clients)
        assert offers == [Offer("aura-2-thalia-en", "thalia", ("en-us",), "female")]
