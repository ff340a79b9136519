"""Voice activity detection settings (seed 004, "VAD Config", and design section 5)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, ge=0.0, le=30.0, allow_inf_nan=False)]

SMART_TURN_STOP_SECS = 0.2
"""The silence, in seconds, that Smart Turn v3 was trained on; it overrides whatever ``vad_config`` says."""


class EffectiveVad(BaseModel):
    """The values that a call really runs with. Field names and defaults are the seed's.

    Attributes:
        confidence: Least model confidence that counts as voice, 0 to 1.
        start_secs: Continuous speech that confirms a start, seconds.
        stop_secs: Silence that confirms a stop, seconds.
        min_volume: Least loudness that counts as voice, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Probability = 0.7
    start_secs: Seconds = 0.2
    stop_secs: Seconds = 0.2
    min_volume: Probability = 0.6


class VadConfig(BaseModel):
    """What the owner of an AI set. None means "not set"; 0 is a value. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Probability | None = None
    start_secs: Seconds | None = None
    stop_secs: Seconds | None = None
    min_volume: Probability | None = None


def effective_vad(config: VadConfig | None, *, smart_turn_enabled: bool) -> EffectiveVad:
    """Resolve what was set, what was not, and Smart Turn's fixed silence into the values a call runs with."""
    values = config.model_dump(exclude_none=True) if config else {}
    if smart_turn_enabled:
        values["stop_secs"] = SMART_TURN_STOP_SECS
    return EffectiveVad(**values)
