from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.table import LLM_TABLE
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from adapters.verify import offers_of, verify_ai
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField, NotFound, ProviderError
from tests.adapters.vendors import KEY, patient_clients
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import StandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.faults import Faults

FIELDS: dict[str, Any] = {
    "name": "Reception",
    "engine_model": "anthropic.claude-sonnet-4-6",
    "init_prompt": "Be kind.",
    "tts_type": "espeak",
    "stt_type": "deepgram",
}
GOOD = AiSecrets(engine_key=KEY, stt_key=KEY)


class Office:
    """Two vendors and who asks them."""

    def __init__(self, llm: StandIn, stt: StandIn, clients: SharedClients) -> None:
        self.llm, self.stt, self.clients = llm, stt, clients
        self.environ = {"AICALL_BASE_URL_ANTHROPIC": llm.base_url, "AICALL_BASE_URL_DEEPGRAM": stt.base_url}

    async def verify(self, secrets: AiSecrets = GOOD, **fields: Any) -> None:
        await verify_ai(AiFields.model_validate(FIELDS | fields), secrets, self.environ, self.clients, timeout_s=2.0)


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    async with AnthropicStandIn() as llm, DeepgramStandIn() as stt, patient_clients() as clients:
        yield Office(llm, stt, clients)


async def test_good_keys_pass_and_every_vendor_is_asked_once() -> None:
    async with office() as it:
        await it.verify()
        assert [len(it.llm.requests), len(it.stt.requests)] == [1, 1]


@pytest.mark.parametrize(("name", "field"), [("engine_key", "engine_key"), ("stt_key", "parameter.stt_key")])
async def test_a_refused_key_names_its_field(name: str, field: str) -> None:
    async with office() as it:
        with pytest.raises(InvalidField) as caught:
            await it.verify(GOOD.model_copy(update={name: SecretStr("wrong-key")}))
        assert caught.value.field == field
        assert "wrong-key" not in caught.value.message


async def test_a_vendor_that_cannot_be_asked_is_told_apart() -> None:
    async with office() as it:
        it.stt.faults = Faults(status=503)
        with pytest.raises(ProviderError) as caught:
            await it.verify()
        assert (caught.value.provider, caught.value.seat, caught.value.retryable) == ("deepgram", "stt", True)


async def test_a_refused_key_is_told_before_a_vendor_that_is_down() -> None:
    async with office() as it:
        it.llm.faults = Faults(status=503)
        with pytest.raises(InvalidField) as caught:
            await it.verify(GOOD.model_copy(update={"stt_key": SecretStr("wrong")}))
        assert caught.value.field == "parameter.stt_key"


async def test_the_keys_of_fallbacks_are_asked_about_too() -> None:
    async with office() as it:
        fallback = {"llm": [{"engine_model": "script.receptionist"}, {"engine_model": "anthropic.claude-haiku-4-5"}]}
        secrets = GOOD.model_copy(update={"fallback_keys": {"llm.anthropic.0": SecretStr("wrong-key")}})
        with pytest.raises(InvalidField) as caught:
            await it.verify(secrets, parameter={"fallback": fallback})
        assert caught.value.field == "parameter.fallback.llm[1].key"
        await it.verify(
            GOOD.model_copy(update={"fallback_keys": {"llm.anthropic.0": KEY}}), parameter={"fallback": fallback}
        )


async def test_lists_what_the_account_of_the_environment_has() -> None:
    async with office() as it:
        environ = it.environ | {"ANTHROPIC_API_KEY": KEY.get_secret_value()}
        offers = await offers_of(LLM_TABLE["anthropic"], "models", environ, it.clients)
        assert "claude-sonnet-4-6" in [offer.id for offer in offers]


async def test_lists_what_the_account_of_an_ai_has() -> None:
    async with office() as it:
        fields = AiFields.model_validate(FIELDS)
        row = LLM_TABLE["anthropic"]
        assert await offers_of(row, "models", it.environ, it.clients, fields=fields, secrets=GOOD)
        with pytest.raises(InvalidField) as caught:
            await offers_of(STT_TABLE["pocketsphinx"], "models", it.environ, it.clients, fields=fields, secrets=GOOD)
        assert caught.value.field == "ai_id"
        with pytest.raises(InvalidField) as caught:
            await offers_of(row, "models", it.environ, it.clients)
        assert caught.value.field == "engine_key"


async def test_a_closed_set_of_voices_needs_no_key() -> None:
    async with office() as it:
        offers = await offers_of(TTS_TABLE["openai"], "voices", it.environ, it.clients)
        assert "alloy" in [offer.id for offer in offers]


async def test_a_vendor_without_a_list_has_none() -> None:
    async with office() as it:
        with pytest.raises(NotFound, match="no such list of voices"):
            await offers_of(TTS_TABLE["espeak"], "voices", it.environ, it.clients)
