"""The table of voices: what its rows promise to everybody who reads them."""

import pytest

from adapters.providers import TABLES
from adapters.tts.table import TTS_TABLE
from tests.adapters.contracts import contract_classes
from tests.adapters.tts.contract import TtsContract, VendorTtsContract
from tests.models.seeds import TTS_TYPES


def test_every_vendor_that_runs_passes_the_contract() -> None:
    tested = {it.tts_type for it in contract_classes("tts", VendorTtsContract)}
    assert tested == {row.name for row in TTS_TABLE.rows if row.runs and row.key_variable}
    others = set(contract_classes("tts", TtsContract)) - set(contract_classes("tts", VendorTtsContract))
    assert {it.__name__ for it in others} == {
        "TestEspeak",
        "TestEspeakAt16k",
        "TestKokoro",
        "TestKokoroAt24k",
        "TestPiper",
        "TestPiperAt24k",
    }


@pytest.mark.parametrize(("tts_type", "voice"), TTS_TYPES.items())
def test_the_default_voice_is_the_seeds(tts_type: str, voice: str | None) -> None:
    assert TTS_TABLE[tts_type].default_voice == (voice or "")


@pytest.mark.parametrize(
    ("tts_type", "call_hz", "asked_hz"),
    [
        ("elevenlabs", 8000, 8000),
        ("deepgram", 8000, 8000),
        ("deepgram", 16_000, 16_000),
        ("deepgram", 44_100, 48_000),
        ("openai", 8000, 24_000),
        ("openai", 48_000, 24_000),
        ("espeak", 8000, 8000),
    ],
)
def test_the_rate_that_is_asked_for(tts_type: str, call_hz: int, asked_hz: int) -> None:
    assert TTS_TABLE[tts_type].sample_rate_for(call_hz) == asked_hz


def test_a_vendor_of_two_seats_is_one_account_at_one_host() -> None:
    """One key and one ``AICALL_BASE_URL_…`` serve all of its seats; but for the clouds, where each has its own host."""
    clouds = {"aws", "azure"}
    rows = [row for table in TABLES for row in table.rows if row.runs and row.key_variable]
    by_name = {row.name: row for row in rows}
    assert len(by_name) < len(rows)
    for row in rows:
        other = by_name[row.name]
        assert row.base_url_variable == other.base_url_variable
        if row.name not in clouds:
            assert row.key_variable == other.key_variable
            assert row.base_url.partition("://")[2] == other.base_url.partition("://")[2]
