import anthropic
import pytest
from pydantic import SecretStr

from adapters.accounts.anthropic import check, list_models
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.anthropic import AnthropicStandIn


async def test_a_key_is_checked_without_generating_anything() -> None:
    async with AnthropicStandIn() as vendor, patient_clients() as clients:
        await check(Credentials(KEY, vendor.base_url), {}, clients)
        assert [(request.method, request.path) for request in vendor.requests] == [("GET", "/v1/models")]
        with pytest.raises(anthropic.AuthenticationError):
            await check(Credentials(SecretStr("wrong"), vendor.base_url), {}, clients)


async def test_lists_the_models() -> None:
    async with AnthropicStandIn() as vendor, patient_clients() as clients:
        offers = await list_models(Credentials(KEY, vendor.base_url), {}, clients)
        assert "claude-sonnet-4-6" in [offer.id for offer in offers]
        assert all(offer.name for offer in offers)
