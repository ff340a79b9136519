"""How a server process that cannot start says why."""

from __future__ import annotations

from models.errors import AicallError, InvalidField

BAD_SETTINGS = 2
"""Exit code for settings that cannot be served with, however often it is tried."""

FAILED = 1
"""Exit code for everything else."""


def explain(error: AicallError | OSError) -> tuple[int, str]:
    """Return the exit code and what to tell the operator."""
    if isinstance(error, InvalidField):
        return BAD_SETTINGS, f"{error.field}: {error.message}"
    if isinstance(error, AicallError):
        return FAILED, error.message
    return FAILED, f"cannot start: {error.strerror or error}"
