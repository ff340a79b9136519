"""Pausing and resuming conversations and tasks: nobody need be asked, whoever is at it looks between two steps."""

from __future__ import annotations

from models.aicall import Aicall
from models.errors import IllegalTransition
from models.status import AicallStatus
from runtime.services import Services
from runtime.text.wake import attend


async def pause_text(services: Services, aicall: Aicall) -> Aicall:
    """Answer no more until it is resumed; messages wait. A step that runs is gone through with.

    Raises:
        IllegalTransition: It is not ``progressing``, nor paused already.
    """
    return await _move(services, aicall, AicallStatus.PAUSING)


async def resume_text(services: Services, aicall: Aicall) -> Aicall:
    """Answer what waits, and what comes. Does nothing where it is not paused.

    Raises:
        IllegalTransition: It has not begun, or has ended.
    """
    for target in (AicallStatus.RESUMING, AicallStatus.PROGRESSING):
        if aicall.status is not AicallStatus.PROGRESSING:
            aicall = await _move(services, aicall, target)
    attend(services, aicall.id)
    return aicall


async def _move(services: Services, aicall: Aicall, target: AicallStatus) -> Aicall:
    try:
        moved = await services.store.move_aicall(aicall.id, target, now=services.clock())
    except IllegalTransition as error:
        resumed = target is AicallStatus.RESUMING and error.source == AicallStatus.PROGRESSING
        if error.source != target and not resumed:
            raise
        # Another hand made this move first; the store recorded it once.
        return await services.store.get_aicall(aicall.id, customer_id=None)
    services.metrics.status_moved(target)
    return moved
