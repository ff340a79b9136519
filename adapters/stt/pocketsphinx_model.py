"""The pocketsphinx decoder: a grammar of whole phrases, and the confidence that tells them from other speech.

Four things were measured to matter (``docs/embedded.md``, ``bench/embedded_accuracy.py``):

- The acoustic model knows 16 kHz speech. On telephone audio its upper bands see digital silence, which no training
  speech ever held. A faint noise floor under the signal, 55 dB below full scale, takes that difference away; it helps
  with studio-clean 16 kHz audio as well.
- Noise above 4 kHz that follows the loudness below it stands for the consonants that the telephone cut off
  (`adapters.stt.telephone_band`).
- The cepstral mean that the decoder subtracts starts at a value for each bandwidth, and is carried from one utterance
  of a call to the next.
- A decoder with a grammar forces any speech onto some phrase. `Recognition.score` tells a good fit from a forced one.

A decoder holds the GIL while it works, so a second thread would not make anything faster.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from loguru import logger

from adapters.stt.telephone_band import RATE_HZ, TelephoneBand
from models.errors import InvalidField, ProviderError

MODEL_RATE_HZ = RATE_HZ
"""Rate that the acoustic model needs, Hz."""

MIN_SCORE = -4.2
"""Lowest `Recognition.score` that counts as understood: where false acceptance and false rejection were fewest."""

_GRAMMAR = "phrases"
_NOISE_AMPLITUDE = 60.0
_NOISE_PERIOD = 4 * MODEL_RATE_HZ
_CMN_WIDE = "50.0,-8.2,-1.6,4.7,-7.4,-3.4,-5.6,-7.5,-3.6,-2.5,0.1,-0.9,-3.2"
_CMN_NARROW = "49.5,-5.2,-4.5,5.9,-6.5,-6.2,-1.9,-10.6,-2.5,-1.9,-1.2,1.7,-5.0"
_FILLER_MARKS = ("<", "(", "[", "+")


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the decoder makes of the audio so far.

    Attributes:
        text: The recognised words in lower case; '' when nothing was recognised with confidence.
        score: How well speech and text fit, at most 0: the acoustic log-likelihood of a 10 ms frame, once averaged over
            frames and once over words, and the mean of both; less one for as much pause between words as speech.
            ``-inf`` without any hypothesis. Before `Recognizer.finish` it is not comparable.
    """

    text: str
    score: float


def normalize(phrase: str) -> str:
    """Reduce a phrase to dictionary spelling: lower case, words of letters and apostrophes, single spaces."""
    return " ".join(re.findall(r"[a-z']+|[^\sa-z'\W]+", phrase.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


@lru_cache(maxsize=32)
def pronunciations(words: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Look words up in the CMU dictionary that comes with pocketsphinx.

    Args:
        words: Words in lower case.

    Returns:
        The pronunciations of each word that the dictionary has, as phones separated by blanks.

    Raises:
        ProviderError: pocketsphinx is not installed.
    """
    lines = _dictionary()
    found = {}
    for word in words:
        # The second way to say a word stands as "word(2)".
        phones = [*_entries(lines, f"{word} ".encode()), *_entries(lines, f"{word}(".encode())]
        if phones:
            found[word] = tuple(phones)
    return found


@lru_cache(maxsize=1)
def _dictionary() -> list[bytes]:
    """The dictionary's lines in order. Reading them takes 60 ms, in which no call's audio would move."""
    return sorted((_model_path() / "cmudict-en-us.dict").read_bytes().splitlines())


def _entries(lines: list[bytes], prefix: bytes) -> Iterator[str]:
    at = bisect_left(lines, prefix)
    while at < len(lines) and lines[at].startswith(prefix):
        yield lines[at].partition(b" ")[2].decode().strip()
        at += 1


def unknown_words(phrases: Sequence[str]) -> frozenset[str]:
    """Return the words of some phrases that the recogniser has no pronunciation for."""
    words = frozenset(word for phrase in phrases for word in normalize(phrase).split())
    return words - pronunciations(words).keys()


class Recognizer:
    """One decoder, for one utterance at a time. Not thread-safe; see `RecognizerPool`.

    Args:
        phrases: The phrases to tell apart, normalized and with known words only; empty for the general English model
            (which takes 0.3 to 0.5 of real time and is often wrong).

    Raises:
        ProviderError: pocketsphinx is not installed, or refuses the model.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        self._phrases = frozenset(phrases)
        self._decoder = _grammar_decoder(phrases) if phrases else _general_decoder()
        self._resampler: Any = None
        self._band: TelephoneBand | None = None
        self._min_score = -math.inf
        self._noise_at = 0
        self._open = False

    def begin(self, sample_rate_hz: int, cepstral_mean: str = "", min_score: float = MIN_SCORE) -> None:
        """Start an utterance.

        Args:
            sample_rate_hz: Rate of the audio to come, Hz. Below 16 kHz it is taken for telephone audio.
            cepstral_mean: What `finish` left in `cepstral_mean` for the same caller; '' for a new one.
            min_score: Lowest `Recognition.score` that counts as understood, with a grammar.
        """
        wide = sample_rate_hz >= MODEL_RATE_HZ
        self._min_score = min_score
        self._resampler = (
            soxr.ResampleStream(sample_rate_hz, MODEL_RATE_HZ, 1, dtype="int16")
            if sample_rate_hz != MODEL_RATE_HZ
            else None
        )
        self._band = None if wide else TelephoneBand()
        self._decoder.set_cmn(cepstral_mean or (_CMN_WIDE if wide else _CMN_NARROW))
        self._noise_at = 0
        self._decoder.start_utt()
        self._open = True

    def feed(self, pcm: bytes) -> Recognition:
        """Decode a piece of the utterance.

        Args:
            pcm: 16-bit signed little-endian mono PCM at the rate given to `begin`, at most a second.

        Returns:
            The hypothesis so far; with a grammar its text may be the beginning of a phrase.
        """
        self._process(pcm, last=False)
        return self._recognition()

    def _process(self, pcm: bytes, *, last: bool) -> None:
        samples: npt.NDArray[np.int16] = np.frombuffer(pcm, dtype="<i2")
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if len(samples):
            speech = samples if self._band is None else self._band.fill(samples)
            self._decoder.process_raw(self._with_noise_floor(speech))

    def finish(self) -> Recognition:
        """End the utterance: the final hypothesis, and with a grammar only a whole phrase that fits well."""
        self._process(b"", last=True)
        self.abandon()
        recognition = self._recognition()
        if self._phrases and recognition.text not in self._phrases:
            return Recognition("", recognition.score)
        return recognition

    def abandon(self) -> None:
        """Make the decoder ready for another utterance, if it is in the middle of one."""
        if self._open:
            self._decoder.end_utt()
            self._open = False

    @property
    def cepstral_mean(self) -> str:
        """The running cepstral mean: what is known of this caller's voice and line, for the next utterance."""
        mean: str = self._decoder.get_cmn()
        return mean

    def _with_noise_floor(self, samples: npt.NDArray[np.int16] | npt.NDArray[np.float64]) -> bytes:
        noise = np.take(_noise(), range(self._noise_at, self._noise_at + len(samples)), mode="wrap")
        self._noise_at = (self._noise_at + len(samples)) % _NOISE_PERIOD
        return (samples + noise).clip(-32_768, 32_767).astype("<i2").tobytes()

    def _recognition(self) -> Recognition:
        hypothesis = self._decoder.hyp()
        scores: list[float] = []
        lengths: list[int] = []
        pauses, pause = 0, 0
        for segment in self._decoder.seg() or ():
            length = segment.end_frame - segment.start_frame + 1
            if segment.word.startswith(_FILLER_MARKS):
                # Only what lies between two words counts.
                pause += length if scores else 0
                continue
            # The binding gives scores as plain probabilities: 0 is one too small for a double, a very bad fit.
            scores.append(math.log(segment.ascore) if segment.ascore else -math.inf)
            lengths.append(length)
            pauses, pause = pauses + pause, 0
        if hypothesis is None or not scores:
            return Recognition("", -math.inf)
        by_frame = sum(scores) / sum(lengths)
        by_word = sum(score / length for score, length in zip(scores, lengths, strict=True)) / len(scores)
        score = (by_frame + by_word) / 2 - pauses / sum(lengths)
        fits = not self._phrases or score >= self._min_score
        return Recognition(hypothesis.hypstr if fits else "", score)


class RecognizerPool:
    """Decoders of a process that are not in use, by their phrases: an utterance borrows one and gives it back.

    Building a decoder for a grammar takes some 15 ms and 7 MB, so the pool is as large as the most utterances that were
    ever spoken at once. Used from the recogniser thread only.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[str, ...], list[Recognizer]] = {}

    def borrow(self, phrases: tuple[str, ...]) -> Recognizer:
        """Return an idle recognizer for these phrases, or a new one.

        Raises:
            ProviderError: See `Recognizer`.
        """
        idle = self._idle.setdefault(phrases, [])
        return idle.pop() if idle else Recognizer(phrases)

    def give_back(self, phrases: tuple[str, ...], recognizer: Recognizer) -> None:
        """Take back a recognizer, whose utterance may have been broken off."""
        recognizer.abandon()
        self._idle.setdefault(phrases, []).append(recognizer)


@lru_cache(maxsize=64)
def grammar_phrases(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Normalize phrases for a grammar, without repeats, leaving out those with a word of unknown pronunciation.

    Raises:
        InvalidField: There are phrases, but none that can be recognised.
        ProviderError: pocketsphinx is not installed.
    """
    unknown = unknown_words(phrases)
    if unknown:
        logger.warning("no pronunciation for {}: the recogniser leaves out phrases with these words", sorted(unknown))
    normalized = dict.fromkeys(normalize(phrase) for phrase in phrases)
    usable = tuple(phrase for phrase in normalized if phrase and not unknown.intersection(phrase.split()))
    if phrases and not usable:
        raise InvalidField("phrases", "no phrase consists of words that the recogniser knows")
    return usable


def _grammar_decoder(phrases: Sequence[str]) -> Any:
    words = pronunciations(frozenset(word for phrase in phrases for word in phrase.split()))
    decoder = _decoder(dict=None, lm=None)
    for word, alternatives in words.items():
        for number, phones in enumerate(alternatives, start=1):
            decoder.add_word(word if number == 1 else f"{word}({number})", phones, update=False)
    start, end, state = 0, 1, 1
    transitions: list[tuple[int, int, float, str]] = []
    for phrase in phrases:
        source, tokens = start, phrase.split()
        for number, word in enumerate(tokens, start=1):
            state += number < len(tokens)
            target = end if number == len(tokens) else state
            transitions.append((source, target, 1 / len(phrases) if source == start else 1.0, word))
            source = target
    decoder.add_fsg(_GRAMMAR, decoder.create_fsg(_GRAMMAR, start, end, transitions))
    decoder.activate_search(_GRAMMAR)
    return decoder


def _general_decoder() -> Any:
    return _decoder(dict=str(_model_path() / "cmudict-en-us.dict"), lm=str(_model_path() / "en-us.lm.bin"))


def _decoder(**config: Any) -> Any:
    path = _model_path()
    import pocketsphinx  # noqa: PLC0415  optional package, see _model_path

    try:
        return pocketsphinx.Decoder(loglevel="FATAL", hmm=str(path / "en-us"), **config)
    except RuntimeError as error:
        raise ProviderError("pocketsphinx could not load its model", provider="pocketsphinx", seat="stt") from error


def _model_path() -> Path:
    try:
        # In the optional `local` extra, so it is imported when it is first used.
        import pocketsphinx  # noqa: PLC0415
    except ImportError as error:
        raise ProviderError("pocketsphinx is not installed", provider="pocketsphinx", seat="stt") from error
    return Path(pocketsphinx.get_model_path("en-us"))


@lru_cache(maxsize=1)
def _noise() -> npt.NDArray[np.int16]:
    generator = np.random.default_rng(1)
    return generator.normal(0, _NOISE_AMPLITUDE, _NOISE_PERIOD).astype(np.int16)
