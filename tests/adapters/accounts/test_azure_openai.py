import openai
import pytest
from pydantic import SecretStr

from adapters.accounts.azure_openai import check, list_models
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.openai import speaking


async def test_a_key_is_checked_without_generating_anything() -> None:
    async with speaking("azure")() as server, patient_clients() as clients:
        await check(Credentials(KEY, server.base_url), {}, clients)
        assert [(request.method, request.path) for request in server.requests] == [("GET", "/openai/v1/models")]
        with pytest.raises(openai.AuthenticationError):
            await check(Credentials(SecretStr("wrong"), server.base_url), {}, clients)


async def test_lists_the_models() -> None:
    async with speaking("azure")() as server, patient_clients() as clients:
        offers = await list_models(Credentials(KEY, server.base_url), {}, clients)
        assert "gpt-4.1" in [offer.id for offer in offers]
