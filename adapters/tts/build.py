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
from adapters.credentials import resolve_credentials, resolve_options
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
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
    options: Mapping[str, str] | None = None,
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
        options: The AI's ``parameter.tts_options``.

    Raises:
        InvalidField: The vendor cannot be used here, or its key, voice or an option is missing or wrong; names
            ``tts_type``, ``parameter.tts_key``, ``parameter.tts_options.…`` or ``tts_voice_id``.
    """
    row = TTS_TABLE[tts_type]
    row.require_usable(environ)
    make = row.load_factory()
    request = _request(
        row,
        key=key,
        voice=voice,
        language=language,
        sample_rate_hz=sample_rate_hz,
        clients=resources,
        environ=environ,
        options=options,
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
    options: Mapping[str, str] | None = None,
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
        options: As in `build_tts`.

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
        options=options,
    )
    parts = [("row", row.name)]
    parts += [(one.name, getattr(request, one.name)) for one in fields(request) if one.name != "clients"]
    # A SecretStr shows itself as asterisks.
    secrets = (request.credentials.key, request.credentials.session_token)
    parts += [("key", secret.get_secret_value()) for secret in secrets]
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
    options: Mapping[str, str] | None,
) -> TtsRequest:
    if not (voice or row.default_voice):
        raise InvalidField("tts_voice_id", f"is required: {row.label} has no default voice")
    resolved = resolve_options(row, options or {}, environ)
    return TtsRequest(
        voice=voice or row.default_voice,
        # A voice has its own language; one that the vendor does not know by name is left to it.
        language=row.language_code(language) or "",
        sample_rate_hz=row.sample_rate_for(sample_rate_hz),
        credentials=resolve_credentials(row, key, environ, resolved),
        clients=clients,
        model=resolved.get("model") or row.default_model,
        options=resolved,
    )
