from __future__ import annotations

from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from models.providers import EngineModel
from pipelines.context.summary import summarize
from tests.standins.base import DEFAULT_KEY
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import ChatRequest, Reply


async def test_a_model_sums_up_apart_from_its_pipeline() -> None:
    asked: list[ChatRequest] = []

    def reply(request: ChatRequest) -> Reply:
        asked.append(request)
        return Reply("They said hello.")

    clients = SharedClients()
    async with OpenAIStandIn(reply=reply) as openai:
        llm = build_llm(
            EngineModel.parse("openai.gpt-4o"),
            key=SecretStr(DEFAULT_KEY),
            system_instruction="Be kind.",
            resources=clients,
            environ={"AICALL_BASE_URL_OPENAI": openai.base_url},
        )
        assert await summarize(llm, "openai", "user: hello", 100) == "They said hello."
        assert await summarize(llm, "script", "user: hello", 100) == ""
        await clients.aclose()
        await openai.all_closed()
    (request,) = asked
    assert request.messages[-1].text == "user: hello"
    assert "summary" in request.messages[0].text
    assert request.tools == ()
    assert 100 in (request.body.get("max_tokens"), request.body.get("max_completion_tokens"))
