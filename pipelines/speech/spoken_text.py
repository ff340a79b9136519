"""Which words lie where in an answer's audio, so that the conversation keeps what was heard and nothing else.

Some voices say when each word begins (word timestamps). Most do not: then a sentence's words are spread over its audio
in proportion to their length. While the audio is still coming its end is estimated, and set right when it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MS_PER_CHARACTER = 65.0
"""Ordinary speech, about fifteen characters a second; only used until the real length is known."""
_WORD_HEARD_MS = 150.0
"""A timed word counts as heard so long after its beginning, milliseconds."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word, or one piece of text that a voice timed.

    Attributes:
        text: The text.
        heard_ms: Position in the playout at which it was heard.
        spaced: Whether the text carries its own surrounding space.
    """

    text: str
    heard_ms: float
    spaced: bool = False


@dataclass(slots=True)
class _Segment:
    words: list[str]
    start_ms: float
    end_ms: float | None = None

    @property
    def weight(self) -> float:
        return float(sum(len(word) + 1 for word in self.words))


class SpokenText:
    """The text of one synthesis context.

    Args:
        start_ms: Position of the context's first audio in the playout.
    """

    def __init__(self, start_ms: float) -> None:
        self.start_ms = start_ms
        self._entries: list[_Segment | SpokenWord] = []
        self._released = 0

    def sentence(self, text: str, *, audio_start_ms: float, audio_end_ms: float) -> None:
        """Add text that came without word times.

        Args:
            text: One sentence or more.
            audio_start_ms: Position at which the voice began on it.
            audio_end_ms: Position behind the audio that has come by now. Equal to the start when none has come: voices
                that stream hand the text on first.
        """
        known = audio_end_ms > audio_start_ms
        self._entries.append(_Segment(text.split(), audio_start_ms, audio_end_ms if known else None))

    def timed(self, text: str, *, word_start_ms: float, spaced: bool) -> None:
        """Add a word whose beginning the voice gave.

        Args:
            text: The word.
            word_start_ms: Position of its first sound in the playout.
            spaced: Whether the text carries its own surrounding space.
        """
        self._entries.append(SpokenWord(text, word_start_ms + _WORD_HEARD_MS, spaced))

    def finish(self, end_ms: float) -> None:
        """Note that the context's audio is complete and ends here: estimated ends become real."""
        open_ended = [entry for entry in self._entries if isinstance(entry, _Segment) and entry.end_ms is None]
        if not open_ended:
            return
        start_ms = first_ms = open_ended[0].start_ms
        total = sum(segment.weight for segment in open_ended) or 1.0
        for segment in open_ended:
            segment.start_ms = start_ms
            start_ms += (end_ms - first_ms) * segment.weight / total
            segment.end_ms = start_ms

    def heard_by(self, heard_ms: float) -> Iterator[SpokenWord]:
        """Take the words, not taken before, that were heard by a position."""
        for word in self._layout()[self._released :]:
            if word.heard_ms > heard_ms:
                return
            self._released += 1
            yield word

    def rest(self) -> Iterator[SpokenWord]:
        """Take every word not taken before."""
        yield from self.heard_by(float("inf"))

    def _layout(self) -> list[SpokenWord]:
        words: list[SpokenWord] = []
        position_ms = self.start_ms
        for entry in self._entries:
            if isinstance(entry, SpokenWord):
                words.append(entry)
                continue
            if entry.end_ms is None:
                position_ms = max(entry.start_ms, position_ms)
                length_ms = entry.weight * _MS_PER_CHARACTER
            else:
                position_ms = entry.start_ms
                length_ms = entry.end_ms - entry.start_ms
            for word in entry.words:
                position_ms += length_ms * (len(word) + 1) / (entry.weight or 1.0)
                words.append(SpokenWord(word, position_ms))
        return words
