import openai
import pytest
from pydantic import SecretStr

from adapters.accounts.openrouter import check, list_models
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.openai import speaking

WRONG = SecretStr("wrong")


async def test_a_key_is_checked_where_a_key_is_needed() -> None:
    async with speaking("openrouter")() as server, patient_clients() as clients:
        await check(Credentials(KEY, server.base_url), {}, clients)
        assert [(request.method, request.path) for request in server.requests] == [("GET", "/api/v1/key")]
        with pytest.raises(openai.AuthenticationError):
            await check(Credentials(WRONG, server.base_url), {}, clients)


async def test_the_models_are_open_to_everybody() -> None:
    async with speaking("openrouter")() as server, patient_clients() as clients:
        offers = await list_models(Credentials(WRONG, server.base_url), {}, clients)
        assert "gpt-4.1" in [offer.id for offer in offers]
