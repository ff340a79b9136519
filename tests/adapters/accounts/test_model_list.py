import pytest
from aiohttp import web
from pydantic import SecretStr

from adapters.accounts.model_list import models_of
from adapters.llm.dialects import DIALECTS
from adapters.requests import Credentials
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.base import LoggedRequest
from tests.standins.openai import OpenAIStandIn, speaking
from tests.standins.openai_dialects import RULES


@pytest.mark.parametrize("vendor", ["openai", *RULES])
async def test_the_models_of_every_compatible_vendor_are_listed(vendor: str) -> None:
    kind = OpenAIStandIn if vendor == "openai" else speaking(vendor)
    async with kind(models=["one", "two"]) as server, patient_clients() as clients:
        offers = await models_of(Credentials(KEY, server.base_url), clients, DIALECTS[vendor])
        assert [offer.id for offer in offers] == ["one", "two"]


async def test_a_server_without_keys_is_asked_without_one() -> None:
    async with speaking("ollama")() as server, patient_clients() as clients:
        assert await models_of(Credentials(SecretStr(""), server.base_url), clients)
        assert "authorization" not in server.requests[0].headers


class Catalogue(OpenAIStandIn):
    """Answers the list of models with a document of the test's."""

    document: object = None

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        return web.json_response(self.document)


async def test_what_is_no_language_model_is_left_out() -> None:
    async with Catalogue() as server, patient_clients() as clients:
        server.document = [
            {"id": "painter", "object": "model", "type": "image"},
            {"id": "talker", "object": "model", "type": "chat", "display_name": "A talker"},
            {"id": "mistral", "object": "model", "type": "base", "name": "A base"},
            "rubbish",
        ]
        offers = await models_of(Credentials(KEY, server.base_url), clients)
        assert [(offer.id, offer.name) for offer in offers] == [("talker", "A talker"), ("mistral", "A base")]


async def test_what_is_no_list_raises() -> None:
    async with Catalogue() as server, patient_clients() as clients:
        server.document = {"object": "error"}
        with pytest.raises(ValueError, match="no list"):
            await models_of(Credentials(KEY, server.base_url), clients)
