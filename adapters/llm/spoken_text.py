"""The part of a model's text that is meant for the caller."""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<think>", "</think>"
_SURROGATE = re.compile("[\ud800-\udfff]")


class SpokenText:
    """Takes the text of an answer piece by piece and leaves out what must not be spoken.

    A model that thinks aloud begins with ``<think>`` and ends that with ``</think>``. A vendor that cuts its text by
    UTF-16 units can cut an emoji in two; the first half waits for the second.
    """

    def __init__(self) -> None:
        self._held = ""
        self._half = ""
        self._thinks: bool | None = None

    def visible(self, piece: str) -> str:
        """Return what can be said now; '' for nothing yet.

        Args:
            piece: The next piece of the text.
        """
        if self._thinks is False and not self._half and not _SURROGATE.search(piece):
            return piece
        return self._joined(self._beyond_thoughts(piece))

    def rest(self) -> str:
        """Return what was held back when the answer has ended."""
        held, self._held = self._held, ""
        half, self._half = self._half, ""
        return ("" if self._thinks else held) + ("\ufffd" if half else "")

    def _beyond_thoughts(self, piece: str) -> str:
        if self._thinks is False:
            return piece
        self._held += piece
        if self._thinks is None:
            start = self._held.lstrip()
            if len(start) < len(_OPEN) and _OPEN.startswith(start):
                return ""
            self._thinks = start.startswith(_OPEN)
        if self._thinks:
            _, end, behind = self._held.partition(_CLOSE)
            if not end:
                # Only what may be the beginning of the end is worth keeping.
                self._held = self._held[-len(_CLOSE) :]
                return ""
            self._held = behind.lstrip()
        self._thinks = False
        text, self._held = self._held, ""
        return text

    def _joined(self, text: str) -> str:
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if not _SURROGATE.search(text):
            return text
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
