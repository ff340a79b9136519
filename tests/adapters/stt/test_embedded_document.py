"""``docs/embedded.md`` speaks of this recogniser, this script and these voices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.llm.script_file import load_script
from adapters.stt.pocketsphinx_model import MIN_SCORE, grammar_phrases
from adapters.tts.espeak_engine import DEFAULT_RATE_WPM, DEFAULT_VOICE
from bench.embedded_accuracy import FOREIGN, VOICES, Score, table

DOCUMENT = (Path(__file__).parents[3] / "docs" / "embedded.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (16 kHz|8 kHz µ-law) \| (\S+) \| (\d+) of (\d+) \| (\d+) \| (\d+) \| (\d+) of (\d+) \|$", re.MULTILINE
)
LINES = ("16 kHz", "8 kHz µ-law")


def scores() -> list[Score]:
    return [
        Score(
            line=line,
            voice=voice.strip("`*"),
            phrases=int(phrases),
            right=int(right),
            rejected=int(rejected),
            wrong=int(wrong),
            foreign=int(foreign),
            accepted=int(accepted),
            real_time_factor=0.0,
        )
        for line, voice, right, phrases, rejected, wrong, accepted, foreign in ROW.findall(DOCUMENT)
    ]


def test_the_figures_are_of_the_bundled_script() -> None:
    """A script that has changed needs the figures measured anew."""
    phrases = len(grammar_phrases(load_script("receptionist").phrases()))
    assert f"The {phrases} phrases of `script.receptionist` and {len(FOREIGN)} sentences" in DOCUMENT
    for score in scores():
        voices = len(VOICES) if score.voice == "all" else 1
        assert (score.phrases, score.foreign) == (phrases * voices, len(FOREIGN) * voices)
        assert score.right + score.rejected + score.wrong == score.phrases


@pytest.mark.parametrize("first", [0, 2 * (len(VOICES) + 1)], ids=["its voices", "other voices"])
def test_the_tables_are_as_the_benchmark_prints_them(first: int) -> None:
    measured = scores()
    assert len(measured) == 4 * (len(VOICES) + 1)
    part = measured[first : first + 2 * (len(VOICES) + 1)]
    assert table(part) in DOCUMENT
    for line in LINES:
        *single, together = (score for score in part if score.line == line)
        assert together.voice == "all"
        assert together.right == sum(score.right for score in single)
        assert together.accepted == sum(score.accepted for score in single)
        if first == 0:
            assert tuple(score.voice for score in single) == VOICES


def test_the_constants_are_those_of_the_code() -> None:
    assert f"Below {MIN_SCORE} it is speech that was not\n   understood" in DOCUMENT
    assert f"{DEFAULT_RATE_WPM} words a minute" in DOCUMENT
    assert f"`{DEFAULT_VOICE}` (the default)" in DOCUMENT
