"""That the first request of a process is like any other; each in a process of its own, where no test came before."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from adapters.rehearsal import rehearse

ROOT = Path(__file__).parents[2]

FIRST_REQUESTS = """
import asyncio, json, sys
import anthropic, openai
from adapters.clients import SharedClients
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.openai import OpenAIStandIn

async def use(clients):
    async with OpenAIStandIn() as vendor, AnthropicStandIn() as other:
        client = openai.AsyncOpenAI(
            api_key="stand-in-key", base_url=vendor.base_url, http_client=clients.http(openai)
        )
        hello = [{"role": "user", "content": "Hello."}]
        async for _ in await client.chat.completions.create(model="gpt-4o", messages=hello, stream=True):
            pass
        speech = client.audio.speech.with_streaming_response
        async with speech.create(input="Hi.", model="tts-1", voice="alloy", response_format="pcm") as audio:
            async for _ in audio.iter_bytes():
                pass
        client = anthropic.AsyncAnthropic(
            api_key="stand-in-key", base_url=other.base_url, http_client=clients.http(anthropic)
        )
        async for _ in await client.beta.messages.create(
            model="claude-sonnet-4-6", max_tokens=9, messages=hello, stream=True
        ):
            pass
        await clients.aclose()

clients = SharedClients()
if sys.argv[1] == "warm":
    clients.warm()
before = set(sys.modules)
asyncio.run(use(clients))
print(json.dumps(sorted(name for name in set(sys.modules) - before if not name.startswith("tests."))))
"""


def imported_by_first_requests(how: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_REQUESTS, how], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_after_a_rehearsal_the_first_requests_import_nothing() -> None:
    assert {"openai.resources.chat.completions", "anyio._backends._asyncio"} <= imported_by_first_requests("cold")
    assert imported_by_first_requests("warm") == set()


def test_after_a_rehearsal_gemini_builds_no_model_of_an_answer() -> None:
    code = """
import sys
from adapters.rehearsal import rehearse
if sys.argv[1] == "warm":
    rehearse()
from google.genai.types import Candidate, GenerateContentConfig, GenerateContentResponse
print(all(it.__pydantic_complete__ for it in (Candidate, GenerateContentConfig, GenerateContentResponse)))
"""
    built = [
        subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for how in ("cold", "warm")
    ]
    assert [line.strip() for line in built] == ["False", "True"]


async def test_it_can_be_held_beside_a_running_loop() -> None:
    rehearse()
    assert asyncio.get_running_loop().is_running()
