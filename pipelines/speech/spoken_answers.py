"""Turns what a voice says about its own words into words at positions of the playout."""

from __future__ import annotations

from collections.abc import Iterator

from pipecat.frames.frames import TTSTextFrame

from pipelines.speech.spoken_text import SpokenText, SpokenWord


class SpokenAnswers:
    """The texts of the answers that are being played. Positions are milliseconds of the playout."""

    def __init__(self) -> None:
        self._texts: list[SpokenText] = []
        self._open: SpokenText | None = None
        self._sentence_start_ms = 0.0
        self._first_word_pts: int | None = None

    @property
    def open(self) -> bool:
        """Whether the voice has not said that the answer ends."""
        return self._open is not None

    def begin(self, position_ms: float) -> None:
        """An answer's audio begins here."""
        self._text_from(position_ms)

    def sentence_announced(self, position_ms: float) -> None:
        """The next sentence's audio begins here; its text comes later."""
        self._sentence_start_ms = position_ms

    def text(self, frame: TTSTextFrame, position_ms: float) -> None:
        """Take a word or a sentence.

        Args:
            frame: The text, with the time of its first sound if the voice gave one.
            position_ms: Position behind the audio that has come by now.
        """
        text = self._open or self._text_from(position_ms)
        if not frame.append_to_context:
            return
        if frame.pts:
            if self._first_word_pts is None:
                self._first_word_pts = frame.pts
            offset_ms = (frame.pts - self._first_word_pts) / 1e6
            text.timed(frame.text, word_start_ms=text.start_ms + offset_ms, spaced=frame.includes_inter_frame_spaces)
        else:
            text.sentence(frame.text, audio_start_ms=self._sentence_start_ms, audio_end_ms=position_ms)
            self._sentence_start_ms = position_ms

    def end(self, position_ms: float) -> SpokenText | None:
        """The answer's audio ends here.

        Returns:
            Its text, for `close`; None if it has none.
        """
        text, self._open = self._open, None
        if text is not None:
            text.finish(position_ms)
        return text

    def heard_by(self, position_ms: float) -> Iterator[SpokenWord]:
        """Take the words, not taken before, that were heard by a position."""
        for text in self._texts:
            yield from text.heard_by(position_ms)

    def close(self, text: SpokenText) -> Iterator[SpokenWord]:
        """Take every word not taken before of an answer that was heard to its end, and forget it."""
        if text in self._texts:
            self._texts.remove(text)
        yield from text.rest()

    def start_ms_at(self, position_ms: float) -> float:
        """Return where the answer that sounds at a position began; 0 when that is not known."""
        return max((text.start_ms for text in self._texts if text.start_ms <= position_ms), default=0.0)

    def clear(self) -> None:
        """Forget everything: it is not played any more."""
        self._texts.clear()
        self._open = None

    def _text_from(self, position_ms: float) -> SpokenText:
        text = self._open = SpokenText(position_ms)
        self._texts.append(text)
        self._sentence_start_ms = position_ms
        self._first_word_pts = None
        return text
