import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.llm.table import LLM_TABLE
from adapters.providers import TABLES
from adapters.seats import ProviderRow, Seat, SeatTable, resolve_base_url, resolve_credentials, resolve_key
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField
from models.providers import DEFAULT_VOICES, LlmProvider, SttType, TtsType

NO_KEY = SecretStr("")
ROWS = [row for table in TABLES for row in table.rows]


def test_every_name_of_the_seeds_has_a_row() -> None:
    assert [row.name for row in LLM_TABLE.rows] == list(LlmProvider)
    assert [row.name for row in STT_TABLE.rows] == list(SttType)
    assert [row.name for row in TTS_TABLE.rows] == list(TtsType)


def test_the_first_set_runs() -> None:
    assert [row.name for row in LLM_TABLE.rows if row.runs] == ["openai", "anthropic", "script"]
    assert [row.name for row in STT_TABLE.rows if row.runs] == ["deepgram", "pocketsphinx"]
    assert [row.name for row in TTS_TABLE.rows if row.runs] == ["elevenlabs", "deepgram", "openai", "espeak"]


def test_default_voices_are_the_seeds() -> None:
    for tts_type in TtsType:
        assert TTS_TABLE[tts_type].default_voice == DEFAULT_VOICES.get(tts_type, "")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.seat}-{row.name}")
def test_a_row_is_consistent(row: ProviderRow) -> None:
    assert row.label
    assert list(row.sample_rates_hz) == sorted(row.sample_rates_hz)
    assert bool(row.module) <= bool(row.extra)
    assert not row.voices or row.default_voice in row.voices
    assert row.runs <= bool(row.capabilities)
    if row.runs:
        assert callable(row.load_factory())
        assert bool(row.key_variable) == bool(row.base_url)
    else:
        assert row.why_not
        with pytest.raises(InvalidField) as caught:
            row.load_factory()
        assert caught.value.field in ("engine_model", "stt_type", "tts_type")


def test_a_retired_vendor_says_why() -> None:
    with pytest.raises(InvalidField, match="closed at the end of 2025") as caught:
        TTS_TABLE[TtsType.PLAYHT].require_usable()
    assert caught.value.field == "tts_type"


def test_a_missing_extra_names_the_command() -> None:
    row = ProviderRow(
        name="deepgram",
        label="Deepgram",
        seat=Seat.STT,
        factory="x:y",
        extra="deepgram",
        module="no_such_module_at_all",
    )
    assert not row.installed
    with pytest.raises(InvalidField) as caught:
        row.require_usable()
    assert caught.value.field == "stt_type"
    assert "pip install 'aicall-runtime[deepgram]'" in caught.value.message


def test_an_unknown_name_is_refused() -> None:
    table = SeatTable(Seat.TTS, (ProviderRow(name="one", label="One", seat=Seat.TTS),))
    with pytest.raises(InvalidField, match="known: one") as caught:
        table["two"]
    assert caught.value.field == "tts_type"


@pytest.mark.parametrize(
    ("row", "field", "variable"),
    [
        (LLM_TABLE["openai"], "engine_key", "OPENAI_API_KEY"),
        (STT_TABLE["deepgram"], "parameter.stt_key", "DEEPGRAM_API_KEY"),
        (TTS_TABLE["elevenlabs"], "parameter.tts_key", "ELEVENLABS_API_KEY"),
    ],
)
def test_a_key_comes_from_the_ai_then_from_the_environment(row: ProviderRow, field: str, variable: str) -> None:
    assert resolve_key(row, SecretStr("own"), {variable: "shared"}).get_secret_value() == "own"
    assert resolve_key(row, NO_KEY, {variable: "shared"}).get_secret_value() == "shared"
    for environ in ({}, {variable: ""}):
        with pytest.raises(InvalidField) as caught:
            resolve_key(row, NO_KEY, environ)
        assert caught.value.field == field
        assert caught.value.message.startswith("is required: ")
        assert f"{variable} is not set" in caught.value.message


def test_an_embedded_provider_needs_no_key() -> None:
    credentials = resolve_credentials(STT_TABLE["pocketsphinx"], NO_KEY, {})
    assert (credentials.key.get_secret_value(), credentials.base_url) == ("", "")


@pytest.mark.parametrize(
    ("row", "url", "expected"),
    [
        (LLM_TABLE["openai"], "", "https://api.openai.com/v1"),
        (LLM_TABLE["openai"], "http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
        (LLM_TABLE["anthropic"], "https://gateway/anthropic", "https://gateway/anthropic"),
        (STT_TABLE["deepgram"], "ws://127.0.0.1:9", "ws://127.0.0.1:9"),
        (TTS_TABLE["deepgram"], "http://127.0.0.1:9", "ws://127.0.0.1:9"),
        (TTS_TABLE["elevenlabs"], "https://host", "wss://host"),
        (TTS_TABLE["openai"], "wss://host/v1", "https://host/v1"),
    ],
)
def test_an_endpoint_comes_from_the_environment(row: ProviderRow, url: str, expected: str) -> None:
    assert resolve_base_url(row, {row.base_url_variable: url}) == expected


@given(st.text(max_size=30))
def test_an_endpoint_is_a_url_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidField):
        url = resolve_base_url(STT_TABLE["deepgram"], {"AICALL_BASE_URL_DEEPGRAM": text})
        assert url.startswith(("ws://", "wss://"))


@pytest.mark.parametrize("text", ["host", "//host", "ftp://host", "ws://", "wss:///path", "http://["])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="must be a URL") as caught:
        resolve_base_url(STT_TABLE["deepgram"], {"AICALL_BASE_URL_DEEPGRAM": text})
    assert caught.value.field == "AICALL_BASE_URL_DEEPGRAM"


@given(st.sampled_from(ROWS), st.integers(1, 200_000))
def test_the_rate_is_one_that_the_vendor_offers(row: ProviderRow, wanted_hz: int) -> None:
    rate_hz = row.sample_rate_for(wanted_hz)
    if not row.sample_rates_hz or wanted_hz in row.sample_rates_hz:
        assert rate_hz == wanted_hz
    else:
        assert rate_hz in row.sample_rates_hz
        assert rate_hz > wanted_hz or rate_hz == max(row.sample_rates_hz)
