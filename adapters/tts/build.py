"""Making the text-to-speech service of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pipecat.services.tts_service import TTSService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.seats import TtsRequest, resolve_credentials
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField
from models.providers import TtsType


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
    if not (voice or row.default_voice):
        raise InvalidField("tts_voice_id", f"is required: {row.label} has no default voice")
    request = TtsRequest(
        voice=voice or row.default_voice,
        language=language,
        sample_rate_hz=row.sample_rate_for(sample_rate_hz),
        credentials=resolve_credentials(row, key, environ),
        clients=resources,
    )
    return cast("TTSService", make(row, request))
