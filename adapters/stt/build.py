"""Making the speech-to-text service of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pipecat.services.stt_service import STTService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.seats import SttRequest, resolve_credentials
from adapters.stt.table import STT_TABLE
from models.providers import SttType

_MEASURED_STOP_S = 0.2
"""The ``stop_secs`` with which the vendors' latencies were measured, seconds."""


def build_stt(
    stt_type: SttType,
    *,
    key: SecretStr,
    language: str,
    sample_rate_hz: int,
    stop_secs: float,
    resources: SharedClients,
    environ: Mapping[str, str],
    phrases: Sequence[str] = (),
) -> STTService:
    """Make the service; it passes no audio on, since nothing behind it listens.

    Args:
        stt_type: The recogniser.
        key: The AI's ``stt_key``; empty for the vendor's usual variable.
        language: BCP 47 tag; '' for the vendor's default.
        sample_rate_hz: Rate of the caller's audio, Hz; 16-bit mono.
        stop_secs: Silence after which the caller counts as silent, seconds.
        resources: The process's shared clients.
        environ: Environment variables (keys and ``AICALL_BASE_URL_<PROVIDER>``).
        phrases: What the caller is expected to say; only the embedded recogniser uses it.

    Raises:
        InvalidField: The recogniser cannot be used here, or its key is missing; names ``stt_type`` or
            ``parameter.stt_key``.
    """
    row = STT_TABLE[stt_type]
    make = row.load_factory()
    request = SttRequest(
        language=language,
        sample_rate_hz=sample_rate_hz,
        phrases=phrases,
        extra_wait_s=max(0.0, stop_secs - _MEASURED_STOP_S),
        credentials=resolve_credentials(row, key, environ),
        clients=resources,
    )
    return cast("STTService", make(row, request))
