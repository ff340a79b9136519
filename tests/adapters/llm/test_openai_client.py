from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from adapters.llm.dialects import COMPATIBLE, DIALECTS, OpenAiDialect
from adapters.llm.openai_client import make_client, request_headers
from adapters.requests import Credentials
from tests.adapters.vendors import patient_clients
from tests.standins.base import LoggedRequest
from tests.standins.openai import OpenAIStandIn

OF_OPENAI = {"OPENAI_API_KEY": "sk-of-openai", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}


class Anybody(OpenAIStandIn):
    """A server that lets everybody in, whatever the path."""

    def route(self, request: web.BaseRequest) -> str:
        return "key"

    def check_key(self, request: web.BaseRequest) -> None:
        pass


async def ask(dialect: OpenAiDialect, key: str) -> LoggedRequest:
    async with Anybody() as server, patient_clients() as clients:
        credentials = Credentials(SecretStr(key), server.http_url)
        client = make_client(credentials, clients, dialect)
        options: Any = {"headers": request_headers(credentials, dialect)}
        await client.get("/models", cast_to=object, options=options)
        return server.requests[0]


@pytest.fixture(autouse=True)
def _of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OF_OPENAI.items():
        monkeypatch.setenv(name, value)


async def test_a_key_goes_where_the_vendor_wants_it() -> None:
    plain = await ask(COMPATIBLE, "k1")
    assert (plain.path, plain.headers["authorization"]) == ("/models", "Bearer k1")
    azure = await ask(DIALECTS["azure"], "k2")
    assert (azure.path, azure.headers["api-key"]) == ("/openai/v1/models", "k2")
    assert "authorization" not in azure.headers


@pytest.mark.parametrize("name", ["azure", "nvidia", "ollama"])
async def test_without_a_key_none_is_sent(name: str) -> None:
    headers = (await ask(DIALECTS[name], "")).headers
    assert "authorization" not in headers
    assert "api-key" not in headers


@pytest.mark.parametrize("dialect", [COMPATIBLE, *(it for name, it in DIALECTS.items() if name != "openai")])
async def test_what_is_meant_for_openai_is_told_to_nobody_else(dialect: OpenAiDialect) -> None:
    headers = str((await ask(dialect, "own")).headers)
    assert not any(value in headers for value in OF_OPENAI.values())


async def test_openai_is_told_the_organisation() -> None:
    headers = (await ask(DIALECTS["openai"], "own")).headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")
    assert headers["authorization"] == "Bearer own"


async def test_openrouter_is_told_who_asks() -> None:
    assert (await ask(DIALECTS["openrouter"], "own")).headers["x-title"] == "AIcall"
