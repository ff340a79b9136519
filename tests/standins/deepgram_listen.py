"""Deepgram's live transcription without a socket: audio in, the vendor's messages out.

It hears energy, not words: speech is any audio that is loud enough, and its text comes from a script. So silence is
transcribed as nothing, as by Deepgram itself. Message fields after https://developers.deepgram.com/reference
(speech-to-text, listen-streaming), and the pages on interim results, endpointing, utterance end, and finalize.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.standins.audio import ENCODINGS, decode, loudness
from tests.standins.base import HttpError

SPEECH_RMS = 300.0
"""Loudness from which audio counts as speech, about -40 dBFS."""
_WINDOW_S = 0.02
_CLICK_S = 0.06
_INTERIM_EVERY_S = 0.25
_SILENT_RESULT_S = 3.0
_WORD_S = 0.3


@dataclass(frozen=True)
class ListenOptions:
    """The query parameters that matter.

    Attributes:
        encoding: ``linear16``, ``mulaw`` or ``alaw``.
        sample_rate_hz: Rate of the audio, Hz.
        interim_results: Whether interim results are wanted.
        endpointing_s: Silence that ends an utterance, seconds; None never ends one.
        utterance_end_s: Silence after which ``UtteranceEnd`` is sent, seconds; None never.
        vad_events: Whether ``SpeechStarted`` is wanted.
        model: Model asked for.
    """

    encoding: str
    sample_rate_hz: int
    interim_results: bool
    endpointing_s: float | None
    utterance_end_s: float | None
    vad_events: bool
    model: str

    @classmethod
    def parse(cls, query: Mapping[str, str], default_endpointing_s: float | None) -> ListenOptions:
        """Read the query of the upgrade request.

        Raises:
            HttpError: With status 400: unknown encoding, bad rate, or more than one channel.
        """
        encoding, rate = query.get("encoding", "linear16"), query.get("sample_rate", "")
        if encoding not in ENCODINGS:
            raise HttpError(400, "Invalid query string: unsupported encoding")
        if not rate.isdigit() or not 8000 <= int(rate) <= 48000:
            raise HttpError(400, "Invalid query string: sample_rate is required with a raw encoding")
        if query.get("channels", "1") != "1":
            raise HttpError(400, "Invalid query string: the stand-in hears one channel")
        endpointing_s = default_endpointing_s
        match query.get("endpointing"):
            case None | "true":
                pass
            case "false":
                endpointing_s = None
            case given:
                endpointing_s = _milliseconds(given)
        utterance_end = query.get("utterance_end_ms")
        return cls(
            encoding=encoding,
            sample_rate_hz=int(rate),
            interim_results=query.get("interim_results", "false") == "true",
            endpointing_s=endpointing_s,
            utterance_end_s=None if utterance_end is None else _milliseconds(utterance_end),
            vad_events=query.get("vad_events", "false") == "true",
            model=query.get("model", "base"),
        )


def _milliseconds(text: str) -> float:
    if not text.isdigit():
        raise HttpError(400, "Invalid query string: expected milliseconds")
    return int(text) / 1000


class Listener:
    """One connection's transcription.

    Args:
        options: The connection's query.
        request_id: Id written into every message.
        next_text: Gives the words of the next utterance.
    """

    def __init__(self, options: ListenOptions, request_id: str, next_text: Callable[[], str]) -> None:
        self.options = options
        self._request_id = request_id
        self._next_text = next_text
        self._window_bytes = int(options.sample_rate_hz * _WINDOW_S) * (2 if options.encoding == "linear16" else 1)
        self._rest = b""
        self.position_s = 0.0
        self._segment_start_s = 0.0
        self._begin_utterance()
        self._utterance_end_due_s: float | None = None

    def _begin_utterance(self) -> None:
        self._text: str | None = None
        self._speech_s = 0.0
        self._first_loud_s = 0.0
        self._last_loud_s = 0.0
        self._next_interim_s = _CLICK_S

    def hear(self, payload: bytes) -> list[dict[str, Any]]:
        """Take audio of any length; returns the messages that it gives rise to, in order."""
        data = self._rest + payload
        whole = len(data) // self._window_bytes * self._window_bytes
        self._rest = data[whole:]
        out: list[dict[str, Any]] = []
        for start in range(0, whole, self._window_bytes):
            window = decode(data[start : start + self._window_bytes], self.options.encoding)
            self.position_s += _WINDOW_S
            if loudness(window) >= SPEECH_RMS:
                out += self._loud()
            else:
                out += self._quiet()
        return out

    def finalize(self) -> list[dict[str, Any]]:
        """Answer to ``Finalize``: what was heard so far becomes final; an empty final when nothing was."""
        return [self._final(speech_final=True, from_finalize=True)]

    def flush(self) -> list[dict[str, Any]]:
        """Answer to ``CloseStream``: the last words, if any."""
        return [self._final(speech_final=True)] if self._text is not None else []

    def _loud(self) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        if self._speech_s == 0:
            self._first_loud_s = self.position_s - _WINDOW_S
        self._speech_s += _WINDOW_S
        self._last_loud_s = self.position_s
        if self._text is None:
            if self._speech_s < _CLICK_S:
                return out
            self._text = self._next_text()
            self._utterance_end_due_s = None
            if self.options.vad_events:
                out.append({"type": "SpeechStarted", "channel": [0, 1], "timestamp": round(self._first_loud_s, 2)})
        if self.options.interim_results and self._speech_s >= self._next_interim_s:
            self._next_interim_s = self._speech_s + _INTERIM_EVERY_S
            words = self._text.split()
            out.append(self._results(words[: 1 + int(self._speech_s / _WORD_S)], is_final=False))
        return out

    def _quiet(self) -> list[dict[str, Any]]:
        silence_s = self.position_s - self._last_loud_s
        if self._text is not None:
            limit_s = self.options.endpointing_s
            return [self._final(speech_final=True)] if limit_s is not None and silence_s >= limit_s - 1e-6 else []
        if self._speech_s and silence_s > _SILENT_RESULT_S / 10:
            self._begin_utterance()
        if self._utterance_end_due_s is not None and self.position_s >= self._utterance_end_due_s - 1e-6:
            ended_s = self._utterance_end_due_s - (self.options.utterance_end_s or 0.0)
            self._utterance_end_due_s = None
            return [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": round(ended_s, 2)}]
        if self.position_s - self._segment_start_s >= _SILENT_RESULT_S - 1e-6:
            return [self._final(speech_final=False)]
        return []

    def _final(self, *, speech_final: bool, from_finalize: bool = False) -> dict[str, Any]:
        message = self._results(
            (self._text or "").split(), is_final=True, speech_final=speech_final, from_finalize=from_finalize
        )
        if self._text is not None and self.options.utterance_end_s is not None:
            self._utterance_end_due_s = self._last_loud_s + self.options.utterance_end_s
        self._segment_start_s = self.position_s
        self._begin_utterance()
        return message

    def _results(
        self, words: list[str], *, is_final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> dict[str, Any]:
        step_s = (self._last_loud_s - self._first_loud_s) / max(1, len(words))
        timed = [
            {
                "word": word.lower().strip(".,!?"),
                "start": round(self._first_loud_s + index * step_s, 3),
                "end": round(self._first_loud_s + (index + 1) * step_s, 3),
                "confidence": 0.99,
                "punctuated_word": word,
            }
            for index, word in enumerate(words)
        ]
        alternative = {"transcript": " ".join(words), "confidence": 0.99 if words else 0.0, "words": timed}
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": round(self.position_s - self._segment_start_s, 3),
            "start": round(self._segment_start_s, 3),
            "is_final": is_final,
            "speech_final": speech_final,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": self._request_id,
                "model_info": {"name": self.options.model, "version": "stand-in", "arch": "stand-in"},
                "model_uuid": "00000000-0000-0000-0000-000000000000",
            },
            "from_finalize": from_finalize,
        }
