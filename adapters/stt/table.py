"""The recognisers: one row per ``stt_type`` of seed 004, and the embedded one."""

from __future__ import annotations

from adapters.credentials import MODEL
from adapters.seats import Capability, ProviderRow, Seat, SeatTable
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
            sample_rates_hz=(8000, 16_000, 24_000, 32_000, 44_100, 48_000),
            capabilities=frozenset({Capability.STREAMING, Capability.INTERIM, Capability.FINALIZES}),
        ),
        ProviderRow(
            name=SttType.CARTESIA,
            label="Cartesia",
            seat=Seat.STT,
            key_variable="CARTESIA_API_KEY",
            base_url="wss://api.cartesia.ai",
            default_model="ink-2",
            capabilities=frozenset({Capability.STREAMING}),
        ),
        ProviderRow(
            name=SttType.ELEVENLABS,
            label="ElevenLabs",
            seat=Seat.STT,
            key_variable="ELEVENLABS_API_KEY",
            base_url="wss://api.elevenlabs.io",
            default_model="scribe_v2_realtime",
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
    ),
)
"""Every recogniser that ``stt_type`` may name."""
