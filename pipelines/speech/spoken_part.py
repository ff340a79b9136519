"""Which part of a text was spoken, counted in letters and digits.

Voices return their text in other pieces than they got it, with other spaces; letters and digits stay.
"""

from __future__ import annotations

import re

_MS_PER_LETTER = 75.0
"""Ordinary speech, about thirteen letters a second; until the voice's own rate is known."""
_LEARNT_FROM_LETTERS = 20
"""How much a voice must have spoken for its rate to count."""

_WORD = re.compile(r"\S+\s*")


def letters_in(text: str) -> int:
    """Count the letters and digits."""
    return sum(map(str.isalnum, text))


def without_letters(text: str, count: int) -> str:
    """Return what is left of a text behind its first letters and digits.

    Args:
        text: The text.
        count: How many letters are gone. A word that is gone in part stays whole: rather heard twice than never.
    """
    at = 0
    for match in _WORD.finditer(text):
        here = letters_in(match.group())
        if here > count:
            break
        count -= here
        at = match.end()
    return text[at:]


def words_within(text: str, count: int) -> str:
    """Return the whole words at a text's beginning that have no more letters and digits than a number."""
    return text[: len(text) - len(without_letters(text, count))].strip()


class SpeakingRate:
    """How fast a call's voices speak, learnt from sentences that were spoken to their end."""

    def __init__(self) -> None:
        self._letters = 0
        self._audio_ms = 0.0

    def learn(self, letters: int, audio_ms: float) -> None:
        """Take a sentence.

        Args:
            letters: Its letters and digits.
            audio_ms: The duration of its audio, milliseconds; 0 says nothing.
        """
        if letters and audio_ms > 0:
            self._letters += letters
            self._audio_ms += audio_ms

    def letters(self, audio_ms: float) -> int:
        """Return how many letters are in so much audio, rounded down."""
        learnt = self._letters >= _LEARNT_FROM_LETTERS
        return int(audio_ms / (self._audio_ms / self._letters if learnt else _MS_PER_LETTER))
