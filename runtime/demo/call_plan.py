"""What the demo's caller says and keys, and the AI that answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.tts.espeak import synthesize_async
from runtime.replay.script import AwaitHangup, AwaitReply, AwaitSpeech, Dial, Pause, Say, Script
from runtime.replay.utterance import Utterance, utterance_of

SAMPLE_RATE_HZ = 16_000
"""The embedded recogniser's own rate; on telephone audio (8 kHz) it hears much worse."""

CALLER_VOICE = "en-gb"
BARGE_IN_AFTER_S = 2.5
CUSTOMER_NUMBER = "4711"

QUESTION = "what are your opening hours"
CUT_IN = "i would like to make an appointment"
GOODBYE = "thank you goodbye"

AI: dict[str, Any] = {
    "name": "Demo receptionist",
    "detail": "The bundled script, on the embedded recogniser and voice.",
    "engine_model": "script.receptionist",
    "engine_key": "",
    "init_prompt": "You are the receptionist of a small dental practice.",
    "tts_type": "espeak",
    "tts_voice_id": "en-us",
    "stt_type": "pocketsphinx",
    "tool_names": ["all"],
    "parameter": {"greeting": "Welcome to Bright Smile Dental. How can I help you?"},
}
"""Needs no key and no network."""


async def caller_script() -> Script:
    """Return the caller's steps: a question, a barge-in over the answer, keyed digits, a goodbye."""
    question, cut_in, goodbye = [await _spoken(text) for text in (QUESTION, CUT_IN, GOODBYE)]
    reply = AwaitReply(quiet_s=1.0)
    return (
        reply,
        Say(question),
        AwaitSpeech(),
        Pause(BARGE_IN_AFTER_S),
        Say(cut_in),
        reply,
        Dial(f"{CUSTOMER_NUMBER}#"),
        reply,
        Say(goodbye),
        AwaitHangup(),
    )


async def _spoken(text: str) -> Utterance:
    pcm = await synthesize_async(text, CALLER_VOICE, SAMPLE_RATE_HZ)
    return utterance_of(text, np.frombuffer(pcm, dtype=np.int16), SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
