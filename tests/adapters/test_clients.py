import asyncio
import ssl
import time
from types import ModuleType

import anthropic
import openai
import pytest

from adapters.clients import SharedClients, VendorLimits
from adapters.llm.build import build_llm
from adapters.stt.build import build_stt
from adapters.tts.build import build_tts
from models.providers import EngineModel, SttType, TtsType
from tests.adapters.vendors import KEY, impatient_clients, until
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn


@pytest.mark.parametrize("sdk", [openai, anthropic])
async def test_there_is_one_pool_per_sdk_until_it_is_closed(sdk: ModuleType) -> None:
    async with impatient_clients() as clients:
        pool = clients.http(sdk)
        assert clients.http(sdk) is pool
        await clients.aclose()
        assert pool.is_closed
        assert clients.http(sdk) is not pool


async def test_there_is_one_tls_context() -> None:
    async with impatient_clients() as clients:
        clients.warm()
        assert clients.ssl_context is clients.ssl_context
        assert clients.ssl_for("ws://host") is None
        assert clients.ssl_for("wss://host") is clients.ssl_context
        assert clients.ssl_context.verify_mode is ssl.CERT_REQUIRED
        assert clients.ssl_context.check_hostname


async def test_a_call_costs_the_loop_little() -> None:
    """Every service of a call is made in a fraction of the 18 ms that one TLS context takes."""
    clients = SharedClients()
    environ = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY"), "key")

    def build_all() -> None:
        for engine in ("openai.gpt-4o", "anthropic.claude-sonnet-4-6"):
            build_llm(EngineModel.parse(engine), key=KEY, system_instruction="", resources=clients, environ=environ)
        build_stt(
            SttType.DEEPGRAM,
            key=KEY,
            language="",
            sample_rate_hz=8000,
            stop_secs=0.2,
            resources=clients,
            environ=environ,
        )
        for tts_type in (TtsType.OPENAI, TtsType.DEEPGRAM, TtsType.ELEVENLABS):
            build_tts(tts_type, key=KEY, voice="", language="", sample_rate_hz=8000, resources=clients, environ=environ)

    build_all()
    fastest_s = min(_time(build_all) for _ in range(5))
    await clients.aclose()
    assert fastest_s < 0.018


def _time(work: object) -> float:
    assert callable(work)
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


@pytest.mark.parametrize(("asked_s", "attempts"), [(None, 2), (0, 2), (60, 1)])
async def test_a_vendor_may_not_ask_for_a_long_wait(asked_s: int | None, attempts: int) -> None:
    faults = Faults(status=429, retry_after_s=asked_s)
    async with OpenAIStandIn(faults=faults) as vendor, impatient_clients() as clients:
        client = openai.AsyncOpenAI(
            api_key="stand-in-key", base_url=vendor.base_url, http_client=clients.http(openai), max_retries=1
        )
        with pytest.raises(openai.RateLimitError):
            await client.models.list()
        assert len(vendor.requests) == attempts


async def test_an_idle_connection_is_kept_for_the_next_turn() -> None:
    async with OpenAIStandIn() as vendor, impatient_clients() as clients:
        client = openai.AsyncOpenAI(api_key="stand-in-key", base_url=vendor.base_url, http_client=clients.http(openai))
        await asyncio.gather(*(client.models.list() for _ in range(3)))
        opened = vendor.open_connections
        await asyncio.gather(*(client.models.list() for _ in range(3)))
        assert vendor.open_connections == opened
        await clients.aclose()
        await until(lambda: not vendor.open_connections)


def test_limits_suit_a_telephone() -> None:
    limits = VendorLimits()
    assert limits.connect_s < limits.quiet_s < 10
    # Three refused connections in a row must not take longer than one that hangs.
    assert limits.reconnects * limits.reconnect_wait_s < limits.connect_s
