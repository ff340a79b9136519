"""What becomes of an AIcall whose owner is dead: decided here, without clock and without I/O."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.store.life.contract import LifeStep, Tenure
from models.aicall import EndReason, ReferenceType
from models.status import AicallStatus

_WAITING = (AicallStatus.PAUSING, AicallStatus.RESUMING)


def rescue(orphan: Tenure, *, now: datetime, grace: timedelta) -> LifeStep:
    """Say what is to be done.

    A call that was being conducted is paused, and its phone system may connect again until the grace time is over; then
    it is ended. What was never conducted, what has no phone system and what was ending is ended at once.

    Args:
        orphan: The AIcall, whose owner's lease is over.
        now: The moment.
        grace: How long the phone system may take to connect again.

    Returns:
        The step that is due.
    """
    status = orphan.aicall.status
    if status is AicallStatus.TERMINATING:
        return LifeStep(AicallStatus.TERMINATED, end_reason=EndReason.WORKER_LOST)
    if orphan.aicall.reference_type is ReferenceType.CALL and grace:
        if status is AicallStatus.PROGRESSING:
            return LifeStep(AicallStatus.PAUSING, tm_media=now + grace)
        if status in _WAITING and orphan.tm_media is None:
            return LifeStep(None, tm_media=now + grace, held=orphan.held)
        if status in _WAITING and orphan.tm_media is not None and orphan.tm_media > now:
            return LifeStep(None, tm_media=orphan.tm_media, held=orphan.held)
    return LifeStep(AicallStatus.TERMINATING, end_reason=EndReason.WORKER_LOST)
