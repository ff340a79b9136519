import re

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from adapters.accounts.bedrock import check, list_models
from adapters.keys import check_key, list_offers
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials
from models.errors import ProviderError
from tests.adapters.vendors import KEY, impatient_clients
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.base import StandIn
from tests.standins.faults import Faults


def credentials_for(vendor: StandIn, secret: SecretStr = KEY) -> Credentials:
    return Credentials(secret, vendor.base_url, ACCESS_KEY)


async def test_a_key_is_checked_without_generating_anything() -> None:
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        await check(credentials_for(vendor), {"region": "us-east-1"}, clients)
        assert [(request.method, request.path) for request in vendor.requests] == [("GET", "/foundation-models")]
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            await check(credentials_for(vendor, SecretStr("wrong")), {}, clients)


async def test_a_key_that_may_only_infer_is_good() -> None:
    async with AwsStandIn(faults=Faults(status=403)) as vendor, impatient_clients() as clients:
        await check(credentials_for(vendor), {}, clients)


async def test_the_models_are_on_another_host_than_inference() -> None:
    # Nothing answers there; the error names the host that was asked.
    credentials = Credentials(KEY, "http://bedrock-runtime.localhost:1", ACCESS_KEY)
    async with impatient_clients() as clients:
        with pytest.raises(Exception, match=re.escape("http://bedrock.localhost:1/foundation-models")):
            await check(credentials, {}, clients)


async def test_lists_the_models_and_the_profiles() -> None:
    models = ("amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "meta.llama3-8b-instruct-v1:0")
    async with AwsStandIn(models=models, page=2) as vendor, impatient_clients() as clients:
        offers = await list_models(credentials_for(vendor), {}, clients)
        assert [offer.id for offer in offers] == [*models, *(f"us.{model}" for model in models)]
        assert all(offer.name for offer in offers)


async def test_the_row_asks_this_module() -> None:
    row = LLM_TABLE["aws"]
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        await check_key(row, credentials_for(vendor), clients)
        offers = await list_offers(row, "models", credentials_for(vendor), clients)
        assert offers is not None
        assert row.default_model in [offer.id for offer in offers]
        with pytest.raises(ProviderError, match="refused the key"):
            await check_key(row, credentials_for(vendor, SecretStr("wrong")), clients)
