"""How well the embedded recogniser understands the embedded voices: accuracy, rejection, speed, memory.

Run ``.venv/bin/python -m bench.embedded_accuracy [--voices NAME…] [--rate-wpm N] [--script NAME] [--json FILE]``. It
prints the tables of ``docs/embedded.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import soxr

from adapters.llm.script_file import load_script
from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from adapters.stt.pocketsphinx_model import Recognizer, grammar_phrases
from adapters.tts.espeak import synthesize

VOICES = ("en-us", "en-us+f3", "en-gb", "en-us+m3")

FOREIGN = (
    "the quick brown fox jumps over the lazy dog",
    "my neighbour bought a purple bicycle yesterday",
    "please transfer five hundred dollars to my savings account",
    "it rained all night in the mountains",
    "do you like chocolate ice cream",
    "hello can you hear me",
    "tell me a joke about penguins",
    "i forgot my umbrella on the train",
    "what is the weather like in london",
    "seventeen elephants walked through the desert",
    "turn on the kitchen lights",
    "how old is the president",
    "is this the pizza place",
    "wait a moment",
    "i have a question about quantum physics",
)
"""Sentences that no script of ours expects."""

_RATE_HZ = 16_000
_LEVEL = 0.35
_BEFORE_S, _AFTER_S = 0.3, 0.3
_PIECE_S = 0.1


@dataclass(frozen=True)
class Score:
    """Counts over all phrases that one voice spoke on one kind of line.

    Attributes:
        line: ``16 kHz`` or ``8 kHz µ-law``.
        voice: The voice; ``all`` for the sum of all.
        phrases: How many in-script utterances were spoken.
        right: How many came out word for word.
        rejected: How many gave no text.
        wrong: How many gave another phrase.
        foreign: How many out-of-script utterances were spoken.
        accepted: How many of those gave a text all the same.
        real_time_factor: Decoding time over audio time.
    """

    line: str
    voice: str
    phrases: int
    right: int
    rejected: int
    wrong: int
    foreign: int
    accepted: int
    real_time_factor: float


COUNTS = ("phrases", "right", "rejected", "wrong", "foreign", "accepted")
"""The fields of `Score` that are counts."""


@dataclass(frozen=True)
class Line:
    """A kind of line between caller and runtime.

    Attributes:
        name: Name for people.
        sample_rate_hz: Rate of the audio that arrives, Hz.
        through: What the line makes of 16 kHz PCM.
    """

    name: str
    sample_rate_hz: int
    through: Callable[[bytes], bytes]


def spoken(text: str, voice: str, rate_wpm: int) -> bytes:
    """Speak as a caller does: telephone level (-9 dB), a little silence around. 16-bit mono PCM at 16 kHz."""
    speech = np.frombuffer(synthesize(text, voice, _RATE_HZ, rate_wpm=rate_wpm), dtype="<i2") * _LEVEL
    return np.pad(speech, (int(_BEFORE_S * _RATE_HZ), int(_AFTER_S * _RATE_HZ))).astype("<i2").tobytes()


def telephone(pcm: bytes) -> bytes:
    """Bring 16 kHz PCM down to 8 kHz and through µ-law."""
    samples: npt.NDArray[np.int16] = soxr.resample(np.frombuffer(pcm, dtype="<i2"), _RATE_HZ, 8000)
    return ulaw_to_pcm(pcm_to_ulaw(samples.astype("<i2").tobytes()))


def recognise(recognizer: Recognizer, pcm: bytes, sample_rate_hz: int) -> str:
    """Recognise one utterance as the first one of a call."""
    recognizer.begin(sample_rate_hz)
    size = int(_PIECE_S * sample_rate_hz) * 2
    for start in range(0, len(pcm), size):
        recognizer.feed(pcm[start : start + size])
    return recognizer.finish().text


def measure(phrases: Sequence[str], line: Line, voices: Sequence[str], rate_wpm: int) -> list[Score]:
    """Speak every phrase and every foreign sentence with every voice, and count."""
    scores = [measure_voice(phrases, line, voice, rate_wpm) for voice in voices]
    counts = {name: sum(getattr(score, name) for score in scores) for name in COUNTS}
    mean = sum(score.real_time_factor for score in scores) / len(scores)
    return [*scores, Score(line.name, "all", real_time_factor=round(mean, 4), **counts)]


def measure_voice(phrases: Sequence[str], line: Line, voice: str, rate_wpm: int) -> Score:
    """Speak every phrase and every foreign sentence with one voice, and count."""
    heard: dict[str, str] = {}
    decoding_s = audio_s = 0.0
    for text in (*phrases, *FOREIGN):
        pcm = line.through(spoken(text, voice, rate_wpm))
        # A new one each time, so that no utterance is helped or hindered by the one before.
        recognizer = Recognizer(phrases)
        started_s = time.perf_counter()
        heard[text] = recognise(recognizer, pcm, line.sample_rate_hz)
        decoding_s += time.perf_counter() - started_s
        audio_s += len(pcm) / 2 / line.sample_rate_hz
    right = sum(heard[text] == text for text in phrases)
    rejected = sum(not heard[text] for text in phrases)
    return Score(
        line=line.name,
        voice=voice,
        phrases=len(phrases),
        right=right,
        rejected=rejected,
        wrong=len(phrases) - right - rejected,
        foreign=len(FOREIGN),
        accepted=sum(bool(heard[text]) for text in FOREIGN),
        real_time_factor=round(decoding_s / audio_s, 4),
    )


def loading(phrases: Sequence[str]) -> dict[str, float]:
    """Time and memory of the first and of every further decoder."""
    process = psutil.Process()
    started_s, before = time.perf_counter(), process.memory_info().rss
    kept = [Recognizer(phrases)]
    first_s, first = time.perf_counter() - started_s, process.memory_info().rss - before
    started_s, before = time.perf_counter(), process.memory_info().rss
    kept += [Recognizer(phrases) for _ in range(10)]
    return {
        "first_load_ms": round(first_s * 1000, 1),
        "first_memory_mb": round(first / 1e6, 1),
        "further_load_ms": round((time.perf_counter() - started_s) * 100, 1),
        "further_memory_mb": round((process.memory_info().rss - before) / 1e7, 1),
    }


def table(scores: Sequence[Score]) -> str:
    """Write scores as a table in Markdown."""
    rows = [
        "| line | voice | right | not understood | taken for another phrase | other speech let in |",
        "|---|---|---|---|---|---|",
    ]
    for score in scores:
        cells = (
            score.line,
            f"`{score.voice}`" if score.voice != "all" else "**all**",
            f"{score.right} of {score.phrases}",
            str(score.rejected),
            str(score.wrong),
            f"{score.accepted} of {score.foreign}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--script", default="receptionist")
    parser.add_argument("--rate-wpm", type=int, default=165)
    parser.add_argument("--voices", nargs="+", default=VOICES)
    options = parser.parse_args()
    phrases = grammar_phrases(load_script(options.script).phrases())
    synthesize("warm up")
    load = loading(phrases)
    lines = (Line("16 kHz", _RATE_HZ, bytes), Line("8 kHz µ-law", 8000, telephone))
    scores = [score for line in lines for score in measure(phrases, line, options.voices, options.rate_wpm)]
    print(table(scores))
    print()
    print("| | first | each further one |\n|---|---|---|")
    print(f"| decoder: time to make, ms | {load['first_load_ms']:.0f} | {load['further_load_ms']:.0f} |")
    print(f"| decoder: memory, MB | {load['first_memory_mb']:.1f} | {load['further_memory_mb']:.1f} |")
    for score in scores:
        if score.voice == "all":
            print(f"\ndecoding time over audio time, {score.line}: {score.real_time_factor:.3f}")
    if options.json:
        report = {"phrases": phrases, "loading": load, "scores": [asdict(score) for score in scores]}
        options.json.write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
