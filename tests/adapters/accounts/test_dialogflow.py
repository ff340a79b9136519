import pytest
from grpc.aio import AioRpcError
from pydantic import SecretStr

from adapters.accounts.dialogflow import check
from adapters.requests import Credentials
from tests.adapters.vendors import patient_clients
from tests.standins.dialogflow import AGENT, PROJECT, DialogflowStandIn
from tests.standins.faults import Faults
from tests.standins.google_accounts import service_account

CX = {"agent": AGENT, "location": "global"}


def credentials(vendor, account=""):
    return Credentials(SecretStr(account or service_account()), vendor.base_url)


@pytest.mark.parametrize(
    ("options", "endpoint", "body"),
    [
        (CX, "agent", {"name": f"projects/{PROJECT}/locations/global/agents/{AGENT}"}),
        ({"agent": "", "location": "global"}, "es_agent", {"parent": f"projects/{PROJECT}"}),
        ({"location": "europe-west2"}, "es_agent", {"parent": f"projects/{PROJECT}/locations/europe-west2"}),
    ],
)
async def test_a_key_is_checked_by_looking_at_the_agent(options, endpoint, body):
    async with DialogflowStandIn() as vendor, patient_clients() as clients:
        await check(credentials(vendor), options, clients)
        (request,) = vendor.requests
        assert (request.endpoint, request.body) == (endpoint, body)
        with pytest.raises(AioRpcError) as refused:
            await check(credentials(vendor, service_account("stranger")), options, clients)
        assert refused.value.code().name == "UNAUTHENTICATED"


async def test_an_agent_that_is_not_there_shows():
    async with DialogflowStandIn() as vendor, patient_clients() as clients:
        with pytest.raises(AioRpcError) as refused:
            await check(credentials(vendor), CX | {"agent": "another"}, clients)
        assert refused.value.code().name == "NOT_FOUND"


async def test_a_key_that_may_only_converse_is_good():
    async with DialogflowStandIn(faults=Faults(status=403)) as vendor, patient_clients() as clients:
        await check(credentials(vendor), CX, clients)
        assert len(vendor.requests) == 1


async def test_a_key_that_cannot_be_read_shows():
    async with DialogflowStandIn() as vendor, patient_clients() as clients:
        with pytest.raises(ValueError, match="cannot be read"):
            await check(Credentials(SecretStr("no JSON"), vendor.base_url), CX, clients)
        assert not vendor.requests
