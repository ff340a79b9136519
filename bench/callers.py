"""The callers: espeak's voice, and the scripts that the load harness walks through."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import httpx

from adapters.tts.espeak_engine import shared_engine
from bench.processes import API_KEY, STAND_IN_KEY, Server
from bench.scenario import (
    CALLER_RATE_WPM,
    CALLER_VOICE,
    GREETING,
    MODEL,
    PHRASES,
    PROMPT,
    RECIPE_PATH,
    SAMPLE_RATE_HZ,
    VOICE_ID,
    System,
    TurnPolicy,
)
from runtime.replay.script import AwaitReply, AwaitSpeech, Pause, Say, Script, conversation
from runtime.replay.utterance import Utterance, load_utterance

_REPLY = AwaitReply(timeout_s=20.0, quiet_s=1.2)
_NO_LIMIT_S = 600.0
TURN_S = 5.0
"""How long a turn takes: the caller's words, the answer, and the quiet that shows that it is over; roughly, seconds."""


def synthesise(folder: Path) -> list[Utterance]:
    """Speak the callers' phrases into WAV files, and load them as the harness does.

    Args:
        folder: Where the files go.

    Raises:
        ProviderError: espeak-ng is not installed (the ``local`` extra).
    """
    utterances = []
    for number, phrase in enumerate(PHRASES, 1):
        spoken = shared_engine().synthesize(phrase, CALLER_VOICE, SAMPLE_RATE_HZ, CALLER_RATE_WPM).result()
        file = folder / f"caller-{number}.wav"
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(spoken.sample_rate_hz)
            sound.writeframes(spoken.pcm)
        utterances.append(load_utterance(file, SAMPLE_RATE_HZ))
    return utterances


def talk(utterances: Sequence[Utterance], turns: int) -> Script:
    """Hear the greeting out, then speak this often, hearing each answer out: a turn about every five seconds."""
    return conversation((utterances[turn % len(utterances)] for turn in range(turns)), reply=_REPLY)


def greeted(stay_s: float = 1.5) -> Script:
    """Wait for the greeting to begin, stay for a moment, seconds."""
    return (AwaitSpeech(timeout_s=30.0), Pause(stay_s))


def stay(utterance: Utterance) -> Script:
    """Say one thing soon after the beginning, then just stay."""
    return (Pause(4.0), Say(utterance), Pause(_NO_LIMIT_S))


async def media_url(server: Server, policy: TurnPolicy) -> str:
    """Return the URL to call. For the runtime, create the AI and its long-lived media token first.

    Args:
        server: Which server.
        policy: What ends a caller's turn.

    Raises:
        httpx.HTTPError: The runtime refused.
    """
    if server.system is System.RECIPE:
        return server.base_url.replace("http://", "ws://", 1) + RECIPE_PATH
    ai = {
        "name": "bench",
        "engine_model": f"openai.{MODEL}",
        "engine_key": STAND_IN_KEY,
        "init_prompt": PROMPT,
        "tts_type": "elevenlabs",
        "tts_voice_id": VOICE_ID,
        "stt_type": "deepgram",
        "smart_turn_enabled": policy is TurnPolicy.SMART_TURN,
        "tool_names": [],
        # The recipe never asks whether the caller is still there.
        "parameter": {"greeting": GREETING, "speech_timeout_s": 0.0, "idle_timeout_s": _NO_LIMIT_S},
    }
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=server.base_url, headers=headers, trust_env=False, timeout=30.0) as http:
        created = (await http.post("/v1.0/ais", json=ai)).raise_for_status().json()
        token = (await http.post(f"/v1.0/ais/{created['id']}/media_token")).raise_for_status().json()
    url: str = token["media_url"]
    return url
