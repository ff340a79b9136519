"""The table of recognisers: what its rows promise to everybody who reads them."""

from adapters.seats import Capability
from adapters.stt.table import STT_TABLE
from tests.adapters.contracts import contract_classes
from tests.adapters.stt.contract import SttContract, VendorSttContract


def test_every_vendor_that_runs_passes_the_contract() -> None:
    tested = {it.stt_type for it in contract_classes("stt", VendorSttContract)}
    assert tested == {row.name for row in STT_TABLE.rows if row.runs and row.key_variable}
    others = set(contract_classes("stt", SttContract)) - set(contract_classes("stt", VendorSttContract))
    assert {it.__name__ for it in others} == {
        "TestPocketsphinx",
        "TestMoonshine",
        "TestMoonshineAt16k",
        "TestWhisper",
        "TestWhisperAt16k",
    }


def test_what_runs_says_when_a_transcript_is_final() -> None:
    """Without it, each turn waits for the slowest transcript that may still come."""
    running = [row for row in STT_TABLE.rows if row.runs]
    assert running
    assert all(Capability.FINALIZES in row.capabilities for row in running)
    # The engines of one's own hear an utterance as a whole.
    own = {"moonshine", "whisper"}
    assert {row.name for row in running if Capability.INTERIM not in row.capabilities} == own


def test_what_runs_takes_telephone_audio_as_it_is() -> None:
    for row in STT_TABLE.rows:
        if row.runs:
            assert [row.sample_rate_for(rate_hz) for rate_hz in (8000, 16_000)] == [8000, 16_000]


def test_every_recogniser_says_which_languages_it_understands() -> None:
    for row in STT_TABLE.rows:
        assert row.languages
        assert "en" in {code.partition("-")[0][:2] for code in row.languages}
        assert set(row.language_aliases.values()) <= set(row.languages)
        assert all(tag == tag.lower() for tag in row.language_aliases)
    assert STT_TABLE["pocketsphinx"].languages == ("en",)
