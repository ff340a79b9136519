from typing import Any

import openai
import pytest
from pydantic import SecretStr

from adapters.accounts.openai import check, list_models
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.openai import OpenAIStandIn, speaking

WRONG = SecretStr("wrong")
VENDORS = [row.name for row in LLM_TABLE.rows if row.account == "openai"]


def stand_in(vendor: str) -> Any:
    return OpenAIStandIn if vendor == "openai" else speaking(vendor)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_key_is_checked_without_generating_anything(vendor: str) -> None:
    async with stand_in(vendor)() as server, patient_clients() as clients:
        await check(Credentials(KEY, server.base_url), {}, clients)
        assert [(request.method, request.endpoint) for request in server.requests] == [("GET", "models")]
        with pytest.raises((openai.AuthenticationError, openai.BadRequestError)):
            await check(Credentials(WRONG, server.base_url), {}, clients)


async def test_lists_the_models() -> None:
    async with OpenAIStandIn() as server, patient_clients() as clients:
        offers = await list_models(Credentials(KEY, server.base_url), {}, clients)
        assert "gpt-4.1" in [offer.id for offer in offers]
