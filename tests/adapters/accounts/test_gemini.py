import pytest
from google.genai.errors import ClientError
from pydantic import SecretStr

from adapters.accounts.gemini import check, list_models
from adapters.accounts.offer import Offer
from adapters.keys import check_key
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials
from models.errors import ProviderError
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.gemini import GeminiStandIn


async def test_a_key_is_checked_by_one_model() -> None:
    async with GeminiStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(request.endpoint, request.query["pageSize"]) for request in vendor.requests] == [("models", "1")]
        with pytest.raises(ClientError, match="API key not valid"):
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)


async def test_lists_the_models_that_answer_of_all_pages() -> None:
    many = [f"gemini-{number}" for number in range(1500)]
    async with GeminiStandIn(models=[*many, "gemini-embedding-001"]) as vendor, patient_clients() as clients:
        offers = await list_models(Credentials(KEY, vendor.base_url), {}, clients)
        assert [offer.id for offer in offers] == many
        assert offers[7] == Offer("gemini-7", "Gemini 7")
        assert len(vendor.requests) == 2


async def test_a_wrong_key_is_told_as_one() -> None:
    async with GeminiStandIn() as vendor, patient_clients() as clients:
        with pytest.raises(ProviderError) as caught:
            await check_key(LLM_TABLE["gemini"], Credentials(SecretStr("wrong"), vendor.base_url), clients)
        assert caught.value.message == "the provider refused the key"
