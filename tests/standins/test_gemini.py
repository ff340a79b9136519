"""The Gemini stand-in under Google's own SDK, and under every fault."""

import asyncio

import aiohttp
import httpx
import pytest
from google import genai
from google.genai import errors
from google.genai.types import HttpOptions

from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.gemini import GeminiStandIn
from tests.standins.replies import Reply

MODEL = "gemini-3.6-flash"
TOOL = {
    "function_declarations": [
        {"name": "clock", "description": "Tells it.", "parameters": {"type": "OBJECT", "properties": {}}}
    ]
}


class Sdk:
    def __init__(self, stand_in, key=DEFAULT_KEY):
        self.pool = httpx.AsyncClient()
        options = HttpOptions(base_url=stand_in.base_url, httpx_async_client=self.pool)
        self.client = genai.Client(api_key=key, http_options=options)

    async def __aenter__(self):
        return self.client.aio.models

    async def __aexit__(self, *_):
        self.client.close()
        await self.pool.aclose()


async def chunks_of(api, contents="What time is it?", **config):
    stream = await api.generate_content_stream(model=MODEL, contents=contents, config=config)
    return [chunk async for chunk in stream]


async def test_sdk_streams_the_default_echo():
    async with GeminiStandIn() as s:
        async with Sdk(s) as api:
            chunks = await chunks_of(api, system_instruction="Be brief.")
            assert "".join(chunk.text or "" for chunk in chunks) == "You said: What time is it."
            assert chunks[-1].candidates[0].finish_reason == "STOP"
            usage = chunks[-1].usage_metadata
            assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (6, 6, 12)
            assert s.requests[0].headers["x-goog-api-key"] == DEFAULT_KEY
            assert (await api.generate_content(model=MODEL, contents="Hi.")).text == "You said: Hi."
        await s.all_closed()


async def test_sdk_calls_tools_and_answers_their_results():
    script = [Reply("One moment.", [("clock", {"zone": "CET"}), ("clock", {})])]
    async with GeminiStandIn(reply=script) as s, Sdk(s) as api:
        chunks = await chunks_of(api, tools=[TOOL])
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
        calls = [part.function_call for part in parts if part.function_call]
        assert [(call.name, call.args) for call in calls] == [("clock", {"zone": "CET"}), ("clock", {})]
        asked = [
            {"role": "user", "parts": [{"text": "What time is it?"}]},
            {"role": "model", "parts": [{"text": "One moment."}, *({"function_call": call} for call in calls)]},
        ]
        result = {"function_response": {"name": "clock", "response": {"result": "noon"}}}
        chunks = await chunks_of(api, [*asked, {"role": "user", "parts": [result, result]}])
        assert "".join(chunk.text or "" for chunk in chunks) == "The tool answered noon."
        with pytest.raises(errors.ClientError, match="number of function response parts"):
            await chunks_of(api, [*asked, {"role": "user", "parts": [result]}])


async def test_sdk_lists_models_and_checks_keys():
    async with GeminiStandIn(any_model=False) as s:
        async with Sdk(s) as api:
            assert (await api.get(model=MODEL)).display_name == "Gemini 3.6 Flash"
            names = [model.name async for model in await api.list(config={"page_size": 2})]
            assert names == [f"models/{name}" for name in s.models]
            with pytest.raises(errors.ClientError, match="is not found for API version v1beta") as refused:
                await api.generate_content(model="gemini-none", contents="Hi.")
            assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")
        async with Sdk(s, key="wrong") as stranger:
            with pytest.raises(errors.ClientError) as refused:
                await stranger.list()
            assert refused.value.code == 400
            assert refused.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        async with aiohttp.ClientSession() as http, http.get(f"{s.base_url}/v1beta/models") as response:
            assert response.status == 403


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (401, errors.ClientError, "UNAUTHENTICATED"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
async def test_status_faults(status, kind, name):
    async with GeminiStandIn(faults=Faults(status=status, retry_after_s=7)) as s, Sdk(s) as api:
        with pytest.raises(kind) as refused:
            await chunks_of(api)
        assert refused.value.status == name
        assert refused.value.details["error"]["details"][0]["retryDelay"] == "7s"


async def test_drop_stall_and_garbage():
    async with GeminiStandIn(reply=lambda _r: "one two three four five") as s, Sdk(s) as api:
        s.faults.garbage_after = 2
        with pytest.raises(errors.UnknownApiResponseError):
            await chunks_of(api)
        s.faults = Faults(stall_after=2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chunks_of(api), 0.2)
        s.faults = Faults(drop_after=2)
        with pytest.raises(httpx.TransportError):
            await chunks_of(api)
