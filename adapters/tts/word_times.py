"""Putting the times that a vendor tells for words onto the words as they are written."""

from __future__ import annotations

_AHEAD = 5
"""How many written words a spoken one may be ahead of the last: what is written as digits is told as other words."""


class WrittenWords:
    """The words of a text, in order, each to be found by what the vendor calls it.

    Vendors tell words without punctuation, in capitals, in halves (``o``, ``clock``) or as they are read (``five`` for
    ``5``). What goes into the conversation is what was written.

    Args:
        text: What is spoken.
    """

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._at = 0
        self._half = ""

    def heard(self, word: str) -> list[str]:
        """Take the written words up to one that begins to be spoken.

        Args:
            word: What the vendor calls it.

        Returns:
            It, behind those before it that were not told; nothing when it is the second half of a word, or unknown.
        """
        told = _letters(word)
        if not told:
            return []
        if self._half.startswith(told):
            self._half = self._half.removeprefix(told)
            return []
        for at in range(self._at, min(self._at + _AHEAD, len(self._words))):
            written = _letters(self._words[at])
            if written and (written.startswith(told) or told.startswith(written)):
                taken = self._words[self._at : at + 1]
                self._at, self._half = at + 1, written.removeprefix(told) if written != told else ""
                return taken
        return []

    def rest(self) -> list[str]:
        """Take the words that were never told."""
        rest, self._at = self._words[self._at :], len(self._words)
        return rest


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))
