import json
from typing import Any

import pytest
from aiohttp import web
from pipecat.frames.frames import FunctionCallsStartedFrame
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from adapters.llm.perplexity import Uncited
from adapters.llm.table import LLM_TABLE
from models.errors import InvalidField
from models.providers import EngineModel
from tests.adapters.llm.contract import VendorLlmContract, conversation
from tests.adapters.vendors import KEY, first_error, patient_clients
from tests.standins.base import LoggedRequest
from tests.standins.perplexity import PerplexityStandIn
from tests.standins.wire import ByteStream


class TestPerplexity(VendorLlmContract):
    engine = "perplexity.openai/gpt-5.6-luna"
    endpoint = "agent"
    stand_in = PerplexityStandIn


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["It is nine.[1] It is late.[12][web:3]"], "It is nine. It is late."),
        (["It is nine.[", "1", "]", " Late", ".[we", "b:2]"], "It is nine. Late."),
        (["An array [", "a, b] stays"], "An array [a, b] stays"),
        (["It ends ["], "It ends ["),
        (["It ends [1"], "It ends [1"),
        (["", "[", "", "1]", ""], ""),
    ],
)
def test_marks_of_sources_are_not_said(pieces: list[str], said: str) -> None:
    text = Uncited()
    assert "".join([*(text.visible(piece) for piece in pieces), text.rest()]) == said


def service(vendor: PerplexityStandIn, clients: SharedClients, options: dict[str, str] | None = None) -> Any:
    environ = {"AICALL_BASE_URL_PERPLEXITY": vendor.base_url}
    engine = EngineModel.parse("perplexity.openai/gpt-5.6-luna")
    return build_llm(
        engine, key=KEY, system_instruction="Be brief.", resources=clients, environ=environ, options=options
    )


@pytest.mark.parametrize(("options", "preset"), [({}, "fast"), ({"preset": "low"}, "low")])
async def test_the_search_is_a_preset_and_its_calls_are_not_ours(options: dict[str, str], preset: str) -> None:
    async with PerplexityStandIn(reply=["It is nine.[1]"]) as vendor, patient_clients() as clients:
        async with conversation(service(vendor, clients, options)) as talk:
            await talk.user_says("What time is it?")
            assert (await talk.answers()).strip() == "It is nine."
            assert not talk.spoken.of(FunctionCallsStartedFrame)
        body = vendor.requests[0].body
        assert body["preset"] == preset
        assert (body["instructions"], body["model"]) == ("Be brief.", "openai/gpt-5.6-luna")


class Failing(PerplexityStandIn):
    """Begins an answer that fails."""

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        stream = await ByteStream.open(self, request, log, "text/event-stream")
        failed = {"type": "response.failed", "sequence_number": 0, "error": {"message": "model down", "code": "x"}}
        await stream.send(f"event: response.failed\ndata: {json.dumps(failed)}\n\n".encode())
        return await stream.end()


async def test_a_failed_answer_shows() -> None:
    async with Failing() as vendor, patient_clients() as clients, conversation(service(vendor, clients)) as talk:
        await talk.user_says("Hi.")
        error = await first_error(talk.pipe, ErrorCategory.SERVER)
        assert error.processor is talk.llm
        await talk.answers()


@pytest.mark.parametrize("model", ["sonar", "sonar-pro", "sonar-reasoning-pro", "llama-3.1-sonar-small-128k-online"])
def test_a_model_of_the_ended_api_is_refused_with_what_to_use(model: str) -> None:
    row = LLM_TABLE["perplexity"]
    with pytest.raises(InvalidField, match=r"perplexity/sonar") as caught:
        row.check_model(model, {})
    assert caught.value.field == "engine_model"
    row.check_model("perplexity/sonar", {})
    row.check_model(row.default_model, {})
