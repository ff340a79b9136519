import socket
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.keys import check_key
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials
from adapters.seats import ProviderRow
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.errors import ProviderError
from tests.adapters.vendors import KEY, captured_log, impatient_clients, until
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn

SECRET = "a-key-that-must-not-be-shown"
VENDORS = [
    pytest.param(LLM_TABLE["openai"], OpenAIStandIn, id="openai llm"),
    pytest.param(LLM_TABLE["anthropic"], AnthropicStandIn, id="anthropic"),
    pytest.param(STT_TABLE["deepgram"], DeepgramStandIn, id="deepgram stt"),
    pytest.param(TTS_TABLE["deepgram"], DeepgramStandIn, id="deepgram tts"),
    pytest.param(TTS_TABLE["elevenlabs"], ElevenLabsStandIn, id="elevenlabs"),
    pytest.param(TTS_TABLE["openai"], OpenAIStandIn, id="openai tts"),
]


@pytest.mark.parametrize(("row", "stand_in"), VENDORS)
async def test_a_good_key_passes(row: ProviderRow, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients:
        await check_key(row, Credentials(KEY, vendor.base_url), clients)
        assert [request.method for request in vendor.requests] == ["GET"]
        await clients.aclose()
        await until(lambda: not vendor.open_connections)


@pytest.mark.parametrize(("row", "stand_in"), VENDORS)
async def test_a_wrong_key_is_told(row: ProviderRow, stand_in: Any) -> None:
    async with stand_in() as vendor, impatient_clients() as clients, captured_log() as lines:
        with pytest.raises(ProviderError) as caught:
            await check_key(row, Credentials(SecretStr(SECRET), vendor.base_url), clients)
    assert caught.value.message == "the provider refused the key"
    assert (caught.value.provider, caught.value.seat, caught.value.retryable) == (row.name, row.seat, False)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    ("faults", "message", "retryable"),
    [
        (Faults(status=500), "the provider failed", True),
        (Faults(status=429, retry_after_s=60), "the provider has too many requests from this account", True),
        (Faults(delay_s=60), "the provider could not be reached", True),
    ],
)
@pytest.mark.parametrize(("row", "stand_in"), VENDORS)
async def test_a_vendor_in_trouble_is_told(
    row: ProviderRow, stand_in: Any, faults: Faults, message: str, retryable: bool
) -> None:
    async with stand_in(faults=faults) as vendor, impatient_clients() as clients:
        with pytest.raises(ProviderError) as caught:
            await check_key(row, Credentials(KEY, vendor.base_url), clients, timeout_s=0.3 if faults.delay_s else 10)
    assert (caught.value.message, caught.value.retryable) == (message, retryable)


@pytest.mark.parametrize(("row", "stand_in"), VENDORS)
async def test_nobody_there_is_told(row: ProviderRow, stand_in: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        scheme = row.base_url.partition("://")[0].rstrip("s")
        url = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}/v1"
        async with impatient_clients() as clients:
            with pytest.raises(ProviderError, match="could not be reached"):
                await check_key(row, Credentials(KEY, url), clients)


async def test_an_embedded_provider_has_no_key_to_check() -> None:
    async with impatient_clients() as clients:
        await check_key(LLM_TABLE["script"], Credentials(SecretStr(""), ""), clients)


async def test_an_elevenlabs_key_that_may_only_speak_is_good() -> None:
    faults = {"user": Faults(status=403)}
    async with ElevenLabsStandIn(endpoint_faults=faults) as vendor, impatient_clients() as clients:
        await check_key(TTS_TABLE["elevenlabs"], Credentials(KEY, vendor.base_url), clients)
