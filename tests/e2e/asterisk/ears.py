"""What callers say and hear in these tests: texts that are told from each other by their tones."""

from __future__ import annotations

import numpy as np

from tests.e2e.asterisk.caller import Caller
from tests.e2e.asterisk.server import SAID
from tests.pipelines.sounds import speech
from tests.runtime.calls.offices import GREETING
from tests.standins.audio import decode, identify, signature

LONG = "This is a very long sentence " * 15
ECHO = f"You said: {SAID}"
GOODBYE = "Then I wish you a pleasant day, goodbye."
CONNECTING = "One moment, I will connect you."
SORRY = "I am sorry, nobody is there."
TEXTS = (GREETING, LONG, ECHO, GOODBYE, CONNECTING, SORRY)
_SPOKEN = "Hello, is anybody there?"
_EDGE = 800
"""Samples at both ends of a text that may not sound like it yet."""
_WINDOW = 1_600
"""Samples by which a moment's tone is told."""


def speak(caller: Caller) -> None:
    """Let the caller say something."""
    caller.handset.say(speech(8000, _SPOKEN).tobytes())


async def hear(caller: Caller, text: str) -> bytes:
    """Wait until the caller has heard as much more as a text lasts; returns it, µ-law."""
    length = len(signature(text, 8000)) // 2
    # The greeting may have begun before the test looks.
    before = 0 if text == GREETING else len(caller.handset.heard)
    await caller.handset.until(lambda: len(caller.handset.heard) >= before + length)
    return caller.handset.heard[before:]


def told(ulaw: bytes) -> str | None:
    """Which of the texts is heard in a piece of audio."""
    return identify(decode(ulaw, "mulaw")[_EDGE:-_EDGE].tobytes(), 8000, TEXTS)


async def until_heard(caller: Caller, text: str) -> float:
    """Wait until a text is being heard; returns when that is, on the loop's clock."""
    handset = caller.handset

    def being_heard() -> bool:
        latest = b"".join(it.ulaw for it in handset.packets[-_WINDOW // 160 :])
        return len(latest) >= _WINDOW and identify(decode(latest, "mulaw").tobytes(), 8000, TEXTS) == text

    await handset.until(being_heard)
    return handset.packets[-1].at


def last_heard(caller: Caller, text: str) -> float:
    """When the caller heard something of a text for the last time, on the loop's clock."""
    return max(it.at for it in caller.handset.packets if _sounds_like(it.ulaw, text))


async def until_tone(caller: Caller, frequency_hz: int) -> None:
    """Wait until the caller hears one tone and nothing else."""
    handset = caller.handset

    def sounding() -> bool:
        latest = decode(b"".join(it.ulaw for it in handset.packets[-_WINDOW // 160 :]), "mulaw").astype(float)
        if len(latest) < _WINDOW or not latest.any():
            return False
        spectrum = np.abs(np.fft.rfft(latest * np.hanning(len(latest))))
        return bool(abs(np.argmax(spectrum) * 8000 / len(latest) - frequency_hz) < 10)

    await handset.until(sounding)


def _sounds_like(ulaw: bytes, text: str) -> bool:
    return identify(decode(ulaw, "mulaw").tobytes(), 8000, TEXTS) == text
