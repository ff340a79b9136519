"""What words recognised over the bot's voice mean: an interruption, a backchannel, the bot's own echo."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from enum import StrEnum

_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_MOST_BACKCHANNEL_TOKENS = 12
"""More than that is somebody who talks."""
_ECHO_SHARE = 0.8
"""Share of the recognised words that the bot must have said."""
_ECHO_LATE_TOKENS = 8
"""How many words the bot may have said since, until the recogniser is done: about three seconds of speech."""
_STEM_LETTERS = 5
"""A recogniser hears an echo through the telephone, so that endings differ."""


class Overheard(StrEnum):
    """What was recognised while the bot was talking."""

    WORDS = "words"
    """Somebody who wants to say something."""
    BACKCHANNEL = "backchannel"
    """Somebody who shows that they listen."""
    ECHO = "echo"
    """The bot itself, heard through the caller's telephone."""


def tokens(text: str) -> list[str]:
    """Split text into words without case, punctuation and apostrophes.

    Letters of scripts that write no case (Chinese, Japanese, Korean, …) are a token each, as these may have no spaces.
    """
    found: list[str] = []
    in_word = beside = False
    folded = unicodedata.normalize("NFKC", text).casefold()
    for char in unicodedata.normalize("NFKC", folded):
        match unicodedata.category(char):
            case "Lo":
                found.append(char)
                in_word, beside = False, True
            case "Lu" | "Ll" | "Lt" | "Lm" | "Nd" | "Nl" | "No":
                if in_word:
                    found[-1] += char
                else:
                    found.append(char)
                in_word = beside = True
            case "Mn" | "Mc" | "Me":
                # Accents and vowel signs belong to the letter that they stand on.
                if beside:
                    found[-1] += char
            case _:
                in_word = in_word and char in _APOSTROPHES
                beside = False
    return found


class Backchannels:
    """Tells texts that are nothing but backchannels, one or several.

    Args:
        phrases: The backchannels, each a word or a few.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        split = (tuple(_squeezed(tokens(phrase))) for phrase in phrases)
        self._phrases = frozenset(phrase for phrase in split if phrase)
        self._lengths = sorted({len(phrase) for phrase in self._phrases})

    def cover(self, text: str) -> bool:
        """Say whether the text is made of backchannels entirely."""
        found = _squeezed(tokens(text))
        if not 0 < len(found) <= _MOST_BACKCHANNEL_TOKENS:
            return False
        reached = {0}
        for start in range(len(found)):
            if start in reached:
                reached.update(
                    start + length for length in self._lengths if tuple(found[start : start + length]) in self._phrases
                )
        return len(found) in reached


def is_echo(text: str, said: str, *, least_tokens: int = 1) -> bool:
    """Say whether a text is what the bot has just said, in order and nearly complete.

    Args:
        text: What was recognised.
        said: What the bot said last, the newest at the end.
        least_tokens: A shorter text is never an echo.
    """
    heard = [token[:_STEM_LETTERS] for token in tokens(text)]
    count = len(heard)
    if count < max(1, least_tokens):
        return False
    recent = [token[:_STEM_LETTERS] for token in tokens(said)[-(count + _ECHO_LATE_TOKENS) :]]
    blocks = SequenceMatcher(None, recent, heard, autojunk=False).get_matching_blocks()
    # What matches must also stand close together: single words of a longer text occur anywhere.
    longest = count + count // 2
    for first, start in enumerate(blocks):
        together = [block.size for block in blocks[first:] if block.a + block.size - start.a <= longest]
        if sum(together) >= _ECHO_SHARE * count:
            return True
    return False


def _squeezed(found: Iterable[str]) -> list[str]:
    """Write runs of one letter once: "mmm", "okayyy"."""
    return ["".join(char for index, char in enumerate(it) if it[index - 1 : index] != char) for it in found]
