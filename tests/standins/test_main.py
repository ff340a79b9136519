"""The stand-ins as a process of their own."""

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from tests.standins.__main__ import build, parse
from tests.standins.replies import ChatRequest


async def launch(*arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.standins", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("ending", ["eof", "sigterm"])
async def test_a_process_prints_its_urls_serves_and_ends_cleanly(ending):
    process = await launch("--openai-port", "0", "--deepgram-port", "0", "--key", "k")
    urls = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert urls.keys() == {"openai", "deepgram"}
    assert urls["deepgram"].startswith("ws://127.0.0.1:")
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{urls['openai']}/models", headers={"Authorization": "Bearer k"}) as response,
    ):
        assert response.status == 200
    if ending == "eof":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, errors) == (0, b"")


async def test_options_reach_the_stand_ins():
    stand_ins = build(parse(["--any-key", "--reply", "Hi.", "--transcript", "one", "--tts-first-byte-s", "0.1"]))
    assert list(stand_ins) == ["openai", "anthropic", "deepgram", "elevenlabs"]
    assert all(s.keys is None for s in stand_ins.values())
    assert stand_ins["deepgram"].transcripts == ["one"]
    assert {stand_ins[v].tts_first_byte_s for v in ("openai", "deepgram", "elevenlabs")} == {0.1}
    assert (await stand_ins["anthropic"].script.reply(ChatRequest("m", (), (), {}))).text == "Hi."
