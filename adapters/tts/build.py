"""Making the text-to-speech service of a call."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import cast

from pipecat.services.tts_service import TTSService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.seats import ProviderRow, TtsRequest, resolve_credentials
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField
from models.providers import TtsType

_SECRET = os.urandom(32)
"""Keeps an identity from telling anything about the key that went into it."""


def build_tts(
    tts_type: TtsType,
    *,
    key: SecretStr,
    voice: str,
    language: str,
    sample_rate_hz: int,
    resources: SharedClients,
    environ: Mapping[str, str],
) -> TTSService:
    """Make the service. Its audio frames carry the rate they really have, which is not always the wanted one.

    Args:
        tts_type: The vendor.
        key: The AI's ``tts_key``; empty for the vendor's usual variable.
        voice: The vendor's name of the voice; '' for the default one.
        language: BCP 47 tag; '' to leave it to the voice.
        sample_rate_hz: Rate of the call's audio, Hz; it is asked of the vendor where the vendor offers it.
        resources: The process's shared clients.
        environ: Environment variables (keys and ``AICALL_BASE_URL_<PROVIDER>``).

    Raises:
        InvalidField: The vendor cannot be used here, or its key or voice is missing; names ``tts_type``,
            ``parameter.tts_key`` or ``tts_voice_id``.
    """
    row = TTS_TABLE[tts_type]
    make = row.load_factory()
    request = _request(
        row,
        key=key,
        voice=voice,
        language=language,
        sample_rate_hz=sample_rate_hz,
        clients=resources,
        environ=environ,
    )
    return cast("TTSService", make(row, request))


def voice_identity(
    tts_type: TtsType,
    *,
    key: SecretStr,
    voice: str,
    language: str,
    sample_rate_hz: int,
    resources: SharedClients,
    environ: Mapping[str, str],
) -> str:
    """Name a voice with everything that shapes its audio, so that what it said once can be played again.

    The key belongs to it: whose account paid for a synthesis, and may use that voice, hears it.

    Args:
        tts_type: As in `build_tts`.
        key: As in `build_tts`.
        voice: As in `build_tts`.
        language: As in `build_tts`.
        sample_rate_hz: As in `build_tts`.
        resources: As in `build_tts`.
        environ: As in `build_tts`.

    Returns:
        A string that is equal for equal voices in this process, and says nothing of the key.

    Raises:
        InvalidField: As `build_tts`.
    """
    row = TTS_TABLE[tts_type]
    request = _request(
        row,
        key=key,
        voice=voice,
        language=language,
        sample_rate_hz=sample_rate_hz,
        clients=resources,
        environ=environ,
    )
    parts = [("row", row.name), ("model", row.default_model)]
    parts += [(one.name, getattr(request, one.name)) for one in fields(request) if one.name != "clients"]
    # A SecretStr shows itself as asterisks.
    parts.append(("key", request.credentials.key.get_secret_value()))
    return hashlib.blake2b(repr(parts).encode(), key=_SECRET, digest_size=16).hexdigest()


def _request(
    row: ProviderRow,
    *,
    key: SecretStr,
    voice: str,
    language: str,
    sample_rate_hz: int,
    clients: SharedClients,
    environ: Mapping[str, str],
) -> TtsRequest:
    if not (voice or row.default_voice):
        raise InvalidField("tts_voice_id", f"is required: {row.label} has no default voice")
    return TtsRequest(
        voice=voice or row.default_voice,
        language=language,
        sample_rate_hz=row.sample_rate_for(sample_rate_hz),
        credentials=resolve_credentials(row, key, environ),
        clients=clients,
    )
