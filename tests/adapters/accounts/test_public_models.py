from typing import Any

import pytest
from pydantic import SecretStr

from adapters.accounts.public_models import list_models
from adapters.keys import check_key
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials
from tests.adapters.vendors import patient_clients
from tests.standins.openai import speaking
from tests.standins.perplexity import PerplexityStandIn

VENDORS = [row.name for row in LLM_TABLE.rows if row.account == "public_models"]
NO_KEY = SecretStr("")


def stand_in(vendor: str) -> Any:
    return PerplexityStandIn if vendor == "perplexity" else speaking(vendor)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_models_are_open_to_everybody(vendor: str) -> None:
    async with stand_in(vendor)(models=["a/one", "a/two"]) as server, patient_clients() as clients:
        offers = await list_models(Credentials(NO_KEY, server.base_url), {}, clients)
        assert [offer.id for offer in offers] == ["a/one", "a/two"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_so_they_say_nothing_about_a_key(vendor: str) -> None:
    async with stand_in(vendor)() as server, patient_clients() as clients:
        await check_key(LLM_TABLE[vendor], Credentials(NO_KEY, server.base_url), clients)
        assert not server.requests
