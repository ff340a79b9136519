"""The espeak-ng library, loaded once per process and driven from one thread of its own.

espeak-ng keeps its state (voice, rate, event buffers) in globals, so the sentences of all calls go one after another
through a single worker thread. A sentence of three seconds takes about 3 ms there, with the GIL released, so one thread
serves far more calls than a process holds. The C interface is that of espeak-ng's ``speak_lib.h``; library and data
come from the ``espeakng-loader`` wheel (GPL-3.0-or-later, hence only in the ``local`` extra).
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from models.errors import InvalidField, ProviderError

DEFAULT_VOICE = "en-us"
DEFAULT_RATE_WPM = 165
RATE_RANGE_WPM = (80, 450)
"""Speaking rates that espeak-ng accepts, words per minute."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_BUFFER_MS = 200
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """When one word of a text is heard.

    Attributes:
        text: The word as written, with the punctuation attached to it: a whitespace-separated token of the text.
        start_s: Start of the word, seconds from the first sample.
    """

    text: str
    start_s: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """A synthesised text.

    Attributes:
        pcm: 16-bit signed little-endian mono PCM.
        sample_rate_hz: Rate of `pcm`, Hz.
        words: The words of the text in order, each with its start.
    """

    pcm: bytes
    sample_rate_hz: int
    words: tuple[SpokenWord, ...]

    @property
    def duration_s(self) -> float:
        """Length of the audio, seconds."""
        return len(self.pcm) / 2 / self.sample_rate_hz


def words_of(text: str, marks: list[tuple[int, float]]) -> tuple[SpokenWord, ...]:
    """Give every whitespace-separated token of a text its start.

    Args:
        text: The text that was spoken.
        marks: Pairs of character offset into `text` and seconds, in the order in which espeak-ng reported them.

    Returns:
        One word per token. A token that espeak-ng reported nothing for (a lone dash, say) starts with the one before.
    """
    words: list[SpokenWord] = []
    start_s, position, next_mark = 0.0, 0, 0
    for token in text.split():
        begin = text.index(token, position)
        position = begin + len(token)
        first = True
        while next_mark < len(marks) and marks[next_mark][0] < position:
            if first and marks[next_mark][0] >= begin:
                start_s = max(start_s, marks[next_mark][1])
                first = False
            next_mark += 1
        words.append(SpokenWord(token, start_s))
    return tuple(words)


class EspeakEngine:
    """One loaded espeak-ng library and the thread that owns it. Use `shared_engine`; a process must not have two.

    Raises:
        ProviderError: From any result, when the library or its data cannot be loaded.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "aicall-espeak")
        self._library: ctypes.CDLL | None = None
        self._native_rate_hz = 0
        self._voice_files: dict[str, str] = {}
        self._variants: frozenset[str] = frozenset()
        self._pcm = bytearray()
        self._marks: list[tuple[int, float]] = []
        self._callback = _SynthCallback(self._on_audio)

    def synthesize(self, text: str, voice: str, sample_rate_hz: int, rate_wpm: int) -> Future[Utterance]:
        """Queue a text.

        Args:
            text: What to say; at most some sentences, since nothing else is spoken meanwhile.
            voice: espeak-ng voice name, with an optional variant: ``en-us``, ``en-gb``, ``en-us+f3``.
            sample_rate_hz: Rate of the result, Hz; espeak-ng's own 22050 Hz is resampled to it.
            rate_wpm: Speaking rate, words per minute, within `RATE_RANGE_WPM`.

        Returns:
            The utterance, or `InvalidField` for an unknown voice or a rate out of range.
        """
        return self._executor.submit(self._synthesize, text, voice, sample_rate_hz, rate_wpm)

    def voices(self) -> Future[tuple[str, ...]]:
        """Queue a request for the voice names of this build, without variants, sorted."""
        return self._executor.submit(self._voices)

    def _loaded(self) -> ctypes.CDLL:
        if self._library is not None:
            return self._library
        try:
            # The wheel is optional (GPL), so the module that needs it is imported when it is first used.
            import espeakng_loader  # noqa: PLC0415

            library = ctypes.CDLL(espeakng_loader.get_library_path())
            data_path = Path(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise ProviderError("espeak-ng is not installed", provider="espeak", seat="tts") from error
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        library.espeak_Synth.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint),
            ctypes.c_void_p,
        )
        rate_hz = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, bytes(data_path), _INITIALIZE_DONT_EXIT
        )
        if rate_hz <= 0:
            raise ProviderError("espeak-ng could not read its data", provider="espeak", seat="tts")
        library.espeak_SetSynthCallback(self._callback)
        self._native_rate_hz = rate_hz
        self._voice_files = _voice_files(library)
        self._variants = frozenset(file.name for file in (data_path / "voices" / "!v").iterdir())
        self._library = library
        return library

    def _on_audio(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        index = 0
        while events and events[index].type != _EVENT_LIST_TERMINATED:
            if events[index].type == _EVENT_WORD:
                # Positions count characters from one.
                self._marks.append((events[index].text_position - 1, events[index].audio_position / 1000))
            index += 1
        return 0

    def _synthesize(self, text: str, voice: str, sample_rate_hz: int, rate_wpm: int) -> Utterance:
        if not RATE_RANGE_WPM[0] <= rate_wpm <= RATE_RANGE_WPM[1]:
            raise InvalidField("rate_wpm", "out of the range that espeak-ng accepts")
        library = self._loaded()
        name, plus, variant = voice.partition("+")
        # Selecting by file, since selecting by name knows some languages (en-us) and not others (en-gb).
        file = self._voice_files.get(name.lower())
        if file is None or (plus and variant not in self._variants):
            raise InvalidField("voice", "espeak-ng has no such voice")
        if library.espeak_SetVoiceByName(f"{file}{plus}{variant}".encode()) != 0:
            raise InvalidField("voice", "espeak-ng has no such voice")
        library.espeak_SetParameter(_PARAMETER_RATE, rate_wpm, 0)
        self._pcm.clear()
        self._marks.clear()
        data = text.replace("\0", " ").encode(errors="replace") + b"\0"
        status = library.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise ProviderError("espeak-ng refused the text", provider="espeak", seat="tts")
        samples = np.frombuffer(bytes(self._pcm), dtype="<i2")
        if len(samples) and sample_rate_hz != self._native_rate_hz:
            samples = soxr.resample(samples, self._native_rate_hz, sample_rate_hz)
        return Utterance(samples.astype("<i2").tobytes(), sample_rate_hz, words_of(text, self._marks))

    def _voices(self) -> tuple[str, ...]:
        self._loaded()
        return tuple(sorted(self._voice_files))


def _voice_files(library: ctypes.CDLL) -> dict[str, str]:
    voices = library.espeak_ListVoices(None)
    files: dict[str, str] = {}
    index = 0
    while voices[index]:
        voice = voices[index].contents
        # `languages` is a list of (priority byte, name, NUL); the first is the voice's own.
        files.setdefault(voice.languages[1:].decode().lower(), voice.identifier.decode())
        index += 1
    return files


@lru_cache(maxsize=1)
def shared_engine() -> EspeakEngine:
    """Return the engine of this process."""
    return EspeakEngine()


# A forked child inherits the engine but not its thread.
os.register_at_fork(after_in_child=shared_engine.cache_clear)
