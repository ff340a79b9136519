import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.llm.table import LLM_TABLE
from adapters.providers import TABLES
from adapters.seats import ProviderOption, ProviderRow, Seat, SeatTable
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField
from models.providers import DEFAULT_VOICES, LlmProvider, SttType, TtsType

ROWS = [row for table in TABLES for row in table.rows]


def test_every_name_of_the_seeds_has_a_row() -> None:
    assert [row.name for row in LLM_TABLE.rows] == list(LlmProvider)
    assert [row.name for row in STT_TABLE.rows] == list(SttType)
    assert [row.name for row in TTS_TABLE.rows] == list(TtsType)


def test_every_row_runs() -> None:
    assert [f"{row.seat} {row.name}" for row in ROWS if not row.runs] == []


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
        assert row.why_not({})
        with pytest.raises(InvalidField) as caught:
            row.load_factory()
        assert caught.value.field in ("engine_model", "stt_type", "tts_type")


def test_a_retired_vendor_says_why_unless_the_operator_has_an_endpoint_for_it() -> None:
    row = ProviderRow(name="gone", label="Gone", seat=Seat.TTS, factory="x:y", retired="Gone closed")
    with pytest.raises(InvalidField, match="Gone closed") as caught:
        row.require_usable({})
    assert caught.value.field == "tts_type"
    row.require_usable({"AICALL_BASE_URL_GONE": "http://127.0.0.1:9"})
    assert TTS_TABLE[TtsType.PLAYHT].retired


def test_a_model_that_the_vendor_has_ended_is_refused() -> None:
    row = ProviderRow(
        name="v",
        label="V",
        seat=Seat.LLM,
        retired_models={"old": "use new", "older-*": "use newer"},
        base_url="https://v",
    )
    row.check_model("new", {})
    row.check_model("old-but-good", {})
    for model, message in (("old", "use new"), ("older-7b", "use newer")):
        with pytest.raises(InvalidField, match=message) as caught:
            row.check_model(model, {})
        assert caught.value.field == "engine_model"
        row.check_model(model, {"AICALL_BASE_URL_V": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("", ""),
        ("en-US", "en-US"),
        ("EN-us", "en-US"),
        ("en-NZ", "en"),
        ("de", "de"),
        ("de-CH", "de"),
        ("nb-NO", "no"),
        ("fr", None),
        ("e", None),
    ],
)
def test_a_language_has_the_vendors_own_form(tag: str, code: str | None) -> None:
    row = ProviderRow(
        name="v", label="V", seat=Seat.STT, languages=("en", "en-US", "de", "no"), language_aliases={"nb": "no"}
    )
    assert row.language_code(tag) == code


def test_a_vendor_without_a_list_takes_any_language() -> None:
    assert ProviderRow(name="v", label="V", seat=Seat.STT).language_code("tlh") == "tlh"


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
        row.require_usable({})
    assert caught.value.field == "stt_type"
    assert "pip install 'aicall-runtime[deepgram]'" in caught.value.message


def test_an_unknown_name_is_refused() -> None:
    table = SeatTable(Seat.TTS, (ProviderRow(name="one", label="One", seat=Seat.TTS),))
    with pytest.raises(InvalidField, match="known: one") as caught:
        table["two"]
    assert caught.value.field == "tts_type"


@given(st.sampled_from(ROWS), st.integers(1, 200_000))
def test_the_rate_is_one_that_the_vendor_offers(row: ProviderRow, wanted_hz: int) -> None:
    rate_hz = row.sample_rate_for(wanted_hz)
    if not row.sample_rates_hz or wanted_hz in row.sample_rates_hz:
        assert rate_hz == wanted_hz
    else:
        assert rate_hz in row.sample_rates_hz
        assert rate_hz > wanted_hz or rate_hz == max(row.sample_rates_hz)


def test_a_vendor_with_a_closed_set_of_models_has_no_other() -> None:
    agent = ProviderOption(name="agent", summary="The agent", needed_by=("cx",))
    row = ProviderRow(name="v", label="V", seat=Seat.LLM, models=("cx", "es"), options=(agent,))
    row.check_model("cx", {})
    for environ in ({}, {"AICALL_BASE_URL_V": "http://127.0.0.1:9"}):
        with pytest.raises(InvalidField, match="V has these models: cx, es") as refused:
            row.check_model("dx", environ)
        assert refused.value.field == "engine_model"


def test_an_option_may_be_needed_by_some_models_only() -> None:
    agent = ProviderOption(name="agent", summary="The agent", needed_by=("cx",))
    row = ProviderRow(name="v", label="V", seat=Seat.LLM, models=("cx", "es"), options=(agent,))
    row.check_model("es", {}, {"agent": ""})
    row.check_model("cx", {}, {"agent": "a"})
    with pytest.raises(InvalidField) as refused:
        row.check_model("cx", {}, {"agent": ""})
    assert refused.value.field == "parameter.llm_options.agent"


def test_a_module_in_a_package_that_is_missing_is_not_installed() -> None:
    row = ProviderRow(name="v", label="V", seat=Seat.LLM, module="no_such_package.inner.module")
    assert not row.installed
