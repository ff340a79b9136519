"""The recognisers: one row per ``stt_type`` of seed 004, the embedded one, and those on models of one's own."""

from __future__ import annotations

from adapters.credentials import MODEL
from adapters.local_models import LOCAL_MODEL, MOONSHINE, WHISPER, LocalRow
from adapters.seats import Capability, ProviderRow, Seat, SeatTable
from adapters.stt.languages import (
    CARTESIA,
    CARTESIA_ALIASES,
    DEEPGRAM,
    DEEPGRAM_ALIASES,
    ELEVENLABS,
    ELEVENLABS_ALIASES,
)
from adapters.stt.local_languages import (
    MOONSHINE_ALIASES,
    MOONSHINE_LANGUAGES,
    WHISPER_ALIASES,
    WHISPER_LANGUAGES,
)
from models.providers import SttType

STT_TABLE = SeatTable(
    Seat.STT,
    (
        ProviderRow(
            name=SttType.DEEPGRAM,
            label="Deepgram",
            seat=Seat.STT,
            factory="adapters.stt.deepgram:build",
            account="deepgram",
            options=(MODEL,),
            key_variable="DEEPGRAM_API_KEY",
            base_url="wss://api.deepgram.com",
            default_model="nova-3-general",
            languages=DEEPGRAM,
            language_aliases=DEEPGRAM_ALIASES,
            sample_rates_hz=(8000, 16_000, 24_000, 32_000, 44_100, 48_000),
            capabilities=frozenset({Capability.STREAMING, Capability.INTERIM, Capability.FINALIZES}),
        ),
        ProviderRow(
            name=SttType.CARTESIA,
            label="Cartesia",
            seat=Seat.STT,
            factory="adapters.stt.cartesia:build",
            account="cartesia",
            options=(MODEL,),
            key_variable="CARTESIA_API_KEY",
            base_url="wss://api.cartesia.ai",
            default_model="ink-2",
            languages=CARTESIA,
            language_aliases=CARTESIA_ALIASES,
            sample_rates_hz=(8000, 16_000, 22_050, 24_000, 44_100, 48_000),
            capabilities=frozenset({Capability.STREAMING, Capability.INTERIM, Capability.FINALIZES}),
        ),
        ProviderRow(
            name=SttType.ELEVENLABS,
            label="ElevenLabs",
            seat=Seat.STT,
            factory="adapters.stt.elevenlabs:build",
            account="elevenlabs",
            options=(MODEL,),
            key_variable="ELEVENLABS_API_KEY",
            base_url="wss://api.elevenlabs.io",
            default_model="scribe_v2_realtime",
            languages=ELEVENLABS,
            language_aliases=ELEVENLABS_ALIASES,
            sample_rates_hz=(8000, 16_000, 22_050, 24_000, 44_100, 48_000),
            capabilities=frozenset({Capability.STREAMING, Capability.INTERIM, Capability.FINALIZES}),
        ),
        ProviderRow(
            name=SttType.POCKETSPHINX,
            label="PocketSphinx (embedded)",
            seat=Seat.STT,
            factory="adapters.stt.embedded:build",
            extra="local",
            module="pocketsphinx",
            default_model="en-us",
            languages=("en",),
            capabilities=frozenset({Capability.STREAMING, Capability.INTERIM, Capability.FINALIZES}),
        ),
        LocalRow(
            name=SttType.MOONSHINE,
            label="Moonshine",
            seat=Seat.STT,
            factory="adapters.stt.moonshine:build",
            extra="moonshine",
            module="moonshine_voice",
            options=(LOCAL_MODEL,),
            layout=MOONSHINE,
            default_model="small-streaming-en",
            languages=MOONSHINE_LANGUAGES,
            language_aliases=MOONSHINE_ALIASES,
            capabilities=frozenset({Capability.FINALIZES}),
        ),
        LocalRow(
            name=SttType.WHISPER,
            label="Whisper",
            seat=Seat.STT,
            factory="adapters.stt.whisper:build",
            extra="whisper",
            module="faster_whisper",
            options=(LOCAL_MODEL,),
            layout=WHISPER,
            default_model="base.en",
            languages=WHISPER_LANGUAGES,
            language_aliases=WHISPER_ALIASES,
            capabilities=frozenset({Capability.FINALIZES}),
        ),
    ),
)
"""Every recogniser that ``stt_type`` may name."""
