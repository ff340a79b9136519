import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.build import build_llm
from adapters.preload import Preloader, sdk_of
from adapters.providers import TABLES
from adapters.rehearsal import rehearse
from models.providers import EngineModel

ROOT = Path(__file__).parents[2]
EVERY = [(table.seat.value, row.name) for table in TABLES for row in table.rows]


async def test_everything_that_is_installed_can_be_loaded_beside_a_running_loop() -> None:
    clients = SharedClients()
    preloader = Preloader(clients)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    await preloader.ensure(EVERY)
    ticking.cancel()
    assert ticks > 1
    assert all(preloader.is_loaded(*provider) for provider in EVERY)
    await clients.aclose()


async def test_what_is_loaded_is_not_loaded_again() -> None:
    clients = SharedClients()
    preloader = Preloader(clients)
    before = threading.active_count()
    await preloader.ensure([("llm", "script")])
    start_s = time.perf_counter()
    for _ in range(100):
        await preloader.ensure([("llm", "script")])
    # No thread is asked: a hundred looks at a set.
    assert time.perf_counter() - start_s < 0.1
    assert threading.active_count() <= before + 1
    await clients.aclose()


def test_after_loading_a_first_call_is_like_any_other() -> None:
    clients = SharedClients()
    Preloader(clients).load([("llm", "openai")])
    start_s = time.perf_counter()
    build_llm(
        EngineModel.parse("openai.gpt-4o"), key=SecretStr("x"), system_instruction="", resources=clients, environ={}
    )
    assert time.perf_counter() - start_s < 0.018
    asyncio.run(clients.aclose())


def test_only_what_is_named_is_imported() -> None:
    code = """
import json, sys
from adapters.clients import SharedClients
from adapters.preload import Preloader
Preloader(SharedClients()).load([("llm", "openai"), ("stt", "deepgram"), ("tts", "deepgram")])
print(json.dumps(sorted({"openai", "anthropic", "aiobotocore", "google.genai", "grpc"} & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout.splitlines()[-1]) == ["openai"]


def test_what_is_loaded_late_is_spared_by_the_garbage_collector() -> None:
    try:
        frozen = gc.get_freeze_count()
        Preloader(SharedClients(), freeze=True).load([("llm", "script")])
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("seat", "name", "sdk"),
    [
        ("llm", "openai", "openai"),
        ("llm", "groq", "openai"),
        ("llm", "anthropic", "anthropic"),
        ("llm", "aws", "aiobotocore"),
        ("tts", "aws", "aiobotocore"),
        ("tts", "cartesia", ""),
    ],
)
def test_the_sdk_of_a_vendor(seat: str, name: str, sdk: str) -> None:
    table = next(table for table in TABLES if table.seat == seat)
    assert sdk_of(table[name]) == sdk


def test_no_sdk_at_all_is_a_rehearsal_of_nothing() -> None:
    start_s = time.perf_counter()
    rehearse(())
    assert time.perf_counter() - start_s < 0.05
