"""The voices: one row per ``tts_type`` of seed 004, and the embedded one. Default voices are seed 004's."""

from __future__ import annotations

from adapters.credentials import MODEL
from adapters.seats import Capability, ProviderRow, Seat, SeatTable
from models.providers import DEFAULT_VOICES, TtsType

_STREAMING = frozenset({Capability.STREAMING})
_WORDS = frozenset({Capability.STREAMING, Capability.WORD_TIMESTAMPS})

TTS_TABLE = SeatTable(
    Seat.TTS,
    (
        ProviderRow(
            name=TtsType.ELEVENLABS,
            label="ElevenLabs",
            seat=Seat.TTS,
            factory="adapters.tts.elevenlabs:build",
            account="elevenlabs",
            key_variable="ELEVENLABS_API_KEY",
            base_url="wss://api.elevenlabs.io",
            default_model="eleven_flash_v2_5",
            default_voice=DEFAULT_VOICES[TtsType.ELEVENLABS],
            sample_rates_hz=(8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
            options=(MODEL,),
            capabilities=_WORDS,
        ),
        ProviderRow(
            name=TtsType.DEEPGRAM,
            label="Deepgram",
            seat=Seat.TTS,
            factory="adapters.tts.deepgram:build",
            account="deepgram",
            key_variable="DEEPGRAM_API_KEY",
            base_url="wss://api.deepgram.com",
            default_voice=DEFAULT_VOICES[TtsType.DEEPGRAM],
            sample_rates_hz=(8000, 16_000, 24_000, 32_000, 48_000),
            capabilities=_STREAMING,
        ),
        ProviderRow(
            name=TtsType.OPENAI,
            label="OpenAI",
            seat=Seat.TTS,
            factory="adapters.tts.openai:build",
            account="openai",
            key_variable="OPENAI_API_KEY",
            base_url="https://api.openai.com/v1",
            default_model="gpt-4o-mini-tts",
            default_voice=DEFAULT_VOICES[TtsType.OPENAI],
            voices=(
                "alloy",
                "ash",
                "ballad",
                "cedar",
                "coral",
                "echo",
                "fable",
                "marin",
                "nova",
                "onyx",
                "sage",
                "shimmer",
                "verse",
            ),
            sample_rates_hz=(24_000,),
            options=(MODEL,),
            capabilities=_STREAMING,
        ),
        ProviderRow(
            name=TtsType.AWS,
            label="Amazon Polly",
            seat=Seat.TTS,
            key_variable="AWS_SECRET_ACCESS_KEY",
            default_voice=DEFAULT_VOICES[TtsType.AWS],
            sample_rates_hz=(8000, 16_000),
        ),
        ProviderRow(
            name=TtsType.AZURE,
            label="Azure Speech",
            seat=Seat.TTS,
            key_variable="AZURE_SPEECH_API_KEY",
            default_voice=DEFAULT_VOICES[TtsType.AZURE],
            sample_rates_hz=(8000, 16_000, 22_050, 24_000, 44_100, 48_000),
            capabilities=_WORDS,
        ),
        ProviderRow(
            name=TtsType.GOOGLE,
            label="Google Text-to-Speech",
            seat=Seat.TTS,
            key_variable="GOOGLE_APPLICATION_CREDENTIALS",
            default_voice=DEFAULT_VOICES[TtsType.GOOGLE],
            capabilities=_STREAMING,
        ),
        ProviderRow(
            name=TtsType.CARTESIA,
            label="Cartesia",
            seat=Seat.TTS,
            key_variable="CARTESIA_API_KEY",
            base_url="wss://api.cartesia.ai",
            default_model="sonic-3.6",
            default_voice=DEFAULT_VOICES[TtsType.CARTESIA],
            sample_rates_hz=(8000, 16_000, 22_050, 24_000, 44_100, 48_000),
            capabilities=_WORDS,
        ),
        ProviderRow(
            name=TtsType.HUME,
            label="Hume",
            seat=Seat.TTS,
            key_variable="HUME_API_KEY",
            base_url="https://api.hume.ai",
            sample_rates_hz=(48_000,),
            capabilities=_WORDS,
        ),
        ProviderRow(
            name=TtsType.PLAYHT,
            label="PlayHT",
            seat=Seat.TTS,
            retired="PlayHT closed at the end of 2025; choose another tts_type",
            key_variable="PLAYHT_API_KEY",
        ),
        ProviderRow(
            name=TtsType.ESPEAK,
            label="eSpeak NG (embedded)",
            seat=Seat.TTS,
            factory="adapters.tts.embedded:build",
            extra="local",
            module="espeakng_loader",
            default_voice=DEFAULT_VOICES[TtsType.ESPEAK],
            capabilities=_STREAMING,
        ),
    ),
)
"""Every voice vendor that ``tts_type`` may name."""
