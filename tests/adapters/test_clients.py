import asyncio
import ssl
import time
from types import ModuleType
from typing import Any

import anthropic
import openai
import pytest
from aiohttp import web

from adapters.clients import SharedClients, VendorLimits
from adapters.llm.build import build_llm
from adapters.plain_http import PLAIN_HTTP
from adapters.stt.build import build_stt
from adapters.tts.build import build_tts
from models.providers import EngineModel, SttType, TtsType
from tests.adapters.vendors import KEY, clients_with, impatient_clients, until
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn


@pytest.mark.parametrize("sdk", [openai, anthropic, PLAIN_HTTP])
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


async def test_another_event_loop_has_pools_of_its_own_and_the_same_trust() -> None:
    limits = VendorLimits(connect_s=0.5)
    async with clients_with(limits) as clients:
        other = clients.for_another_loop()
        assert other.limits is limits
        assert other.ssl_context is clients.ssl_context
        assert other.http(openai) is not clients.http(openai)
        await other.aclose()


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
        await asyncio.gather(*(client.models.list() for _ in range(3)))
        assert vendor.connections_made <= 3
        await clients.aclose()
        await until(lambda: not vendor.open_connections)


class Doorman(OpenAIStandIn):
    """A stand-in that notes who knocks, and treats a knock like any request: it has its faults and wants a key."""

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.knocks: list[web.BaseRequest] = []

    def route(self, request: web.BaseRequest) -> str:
        if request.method == "HEAD":
            self.knocks.append(request)
            return "models"
        return super().route(request)


def openai_client(vendor: OpenAIStandIn, clients: SharedClients) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="stand-in-key", base_url=vendor.base_url, http_client=clients.http(openai), max_retries=0
    )


async def knock_at(vendor: OpenAIStandIn, clients: SharedClients, purpose: str = "llm") -> None:
    knock = clients.preconnect(openai, vendor.base_url, purpose)
    assert knock is not None
    await knock


async def test_the_first_request_finds_its_connection_open() -> None:
    async with Doorman() as vendor, impatient_clients() as clients:
        await knock_at(vendor, clients)
        assert vendor.connections_made == 1
        await openai_client(vendor, clients).models.list()
        assert vendor.connections_made == 1


async def test_a_knock_carries_no_key_and_asks_for_nothing() -> None:
    async with Doorman() as vendor, impatient_clients() as clients:
        clients.preconnect(openai, vendor.base_url, "llm")
        await until(lambda: vendor.knocks)
        (knock,) = vendor.knocks
        assert (knock.method, knock.path) == ("HEAD", "/v1")
        assert not {"authorization", "x-api-key", "cookie"} & {name.lower() for name in knock.headers}


async def test_uses_at_the_same_time_get_a_connection_each_once() -> None:
    async with Doorman() as vendor, impatient_clients() as clients:
        vendor.faults = Faults(delay_s=0.2)
        for _ in range(20):
            clients.preconnect(openai, vendor.base_url, "llm")
            clients.preconnect(openai, vendor.base_url, "tts")
        await until(lambda: len(vendor.knocks) == 2 and not vendor.open_streams)
        clients.preconnect(openai, vendor.base_url, "llm")
        await asyncio.sleep(0)
        assert (len(vendor.knocks), vendor.connections_made) == (2, 2)


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_how_the_vendor_takes_a_knock_does_not_matter(status: int) -> None:
    async with Doorman(faults=Faults(status=status, retry_after_s=60)) as vendor, impatient_clients() as clients:
        await knock_at(vendor, clients)
        vendor.faults = Faults()
        await openai_client(vendor, clients).models.list()
        assert vendor.connections_made == 1


async def test_a_vendor_that_is_down_or_slow_does_not_matter() -> None:
    async with Doorman() as vendor, impatient_clients() as clients:
        await vendor.refuse()
        await knock_at(vendor, clients, "refused")
        assert not vendor.knocks
        await vendor.accept()
        vendor.faults = Faults(delay_s=60)
        slow = clients.preconnect(openai, vendor.base_url, "slow")
        await until(lambda: vendor.knocks)
        vendor.faults = Faults()
        await openai_client(vendor, clients).models.list()
        assert slow is not None
        assert not slow.done()
        # It is given up like any other connection that hangs.
        await slow
        await until(lambda: vendor.open_connections == 1)


async def test_closing_does_not_wait_for_a_knock() -> None:
    async with Doorman(faults=Faults(delay_s=60)) as vendor:
        clients = SharedClients()
        clients.preconnect(openai, vendor.base_url, "llm")
        await until(lambda: vendor.knocks)
        await clients.aclose()
        await until(lambda: not vendor.open_connections)
        clients.preconnect(openai, vendor.base_url, "llm")
        await until(lambda: len(vendor.knocks) == 2)
        await clients.aclose()


class Kept:
    def __init__(self) -> None:
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


async def test_what_all_calls_use_is_made_once_and_closed_with_the_rest() -> None:
    async with impatient_clients() as clients:
        one = clients.shared(("vendor", "here"), Kept)
        assert clients.shared(("vendor", "here"), Kept) is one
        assert clients.shared(("vendor", "there"), Kept) is not one
        await clients.aclose()
        assert one.closed
        assert clients.shared(("vendor", "here"), Kept) is not one


async def test_another_client_may_knock_too_once_in_a_while() -> None:
    knocks: list[str] = []

    async def knock() -> None:
        knocks.append("knock")
        raise ConnectionError

    async with impatient_clients() as clients:
        task = clients.preconnect_by(knock, "somewhere", "llm")
        assert task is not None
        assert task.get_name() == "preconnect llm"
        assert clients.preconnect_by(knock, "somewhere", "llm") is None
        await task
        assert knocks == ["knock"]


def test_limits_suit_a_telephone() -> None:
    limits = VendorLimits()
    assert limits.connect_s < limits.quiet_s < 10
    # Three refused connections in a row must not take longer than one that hangs.
    assert limits.reconnects * limits.reconnect_wait_s < limits.connect_s
