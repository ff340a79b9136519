"""The embedded recogniser as a row of the seat's table."""

from __future__ import annotations

from adapters.requests import SttRequest
from adapters.seats import ProviderRow
from adapters.stt.pocketsphinx import TTFS_P99_S, PocketsphinxSTTService


def build(row: ProviderRow, request: SttRequest) -> PocketsphinxSTTService:
    """Make the service.

    Args:
        row: The embedded recogniser's row.
        request: What to make it from.
    """
    del row
    return PocketsphinxSTTService(
        phrases=request.phrases,
        sample_rate=request.sample_rate_hz,
        ttfs_p99_latency=TTFS_P99_S + request.extra_wait_s,
        audio_passthrough=False,
    )
