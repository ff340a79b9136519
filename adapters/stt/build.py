"""Making the speech-to-text service of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pipecat.services.stt_service import STTService
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.credentials import resolve_credentials, resolve_options
from adapters.requests import SttRequest
from adapters.stt.table import STT_TABLE
from models.errors import InvalidField
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
    options: Mapping[str, str] | None = None,
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
        options: The AI's ``parameter.stt_options``.

    Raises:
        InvalidField: The recogniser cannot be used here, its key or an option is missing or wrong, or it does not
            understand the language; names ``stt_type``, ``parameter.stt_key``, ``parameter.stt_options.…`` or
            ``stt_language``.
    """
    row = STT_TABLE[stt_type]
    row.require_usable(environ)
    make = row.load_factory()
    resolved = resolve_options(row, options or {}, environ)
    code = row.language_code(language)
    if code is None:
        raise InvalidField("stt_language", f"{row.label} does not understand it")
    request = SttRequest(
        language=code,
        sample_rate_hz=sample_rate_hz,
        phrases=phrases,
        extra_wait_s=max(0.0, stop_secs - _MEASURED_STOP_S),
        credentials=resolve_credentials(row, key, environ, resolved),
        clients=resources,
        model=resolved.get("model") or row.default_model,
        options=resolved,
    )
    return cast("STTService", make(row, request))
