"""Pausing, resuming and ending an AIcall, whichever process runs it."""

from __future__ import annotations

import asyncio
from uuid import UUID

from adapters.store.life.contract import LifeRequest, Tenure
from models.aicall import Aicall, EndReason, ReferenceType
from models.errors import Conflict, ToolFailed, Unavailable
from models.status import AicallStatus, is_final
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.text.hold import pause_text, resume_text

_LOOK_AGAIN_S = 0.1

_MAY = {
    LifeRequest.PAUSE: frozenset({AicallStatus.PROGRESSING, AicallStatus.PAUSING}),
    LifeRequest.RESUME: frozenset({AicallStatus.PAUSING, AicallStatus.RESUMING, AicallStatus.PROGRESSING}),
}
"""In which statuses a call can be paused or resumed; in the last of them nothing has to be done."""


async def pause_aicall(services: Services, aicall: Aicall) -> Aicall:
    """Put a call on hold; returns when that is recorded. Asked again, it changes nothing.

    Raises:
        Conflict: In its status it cannot be; the message says the status.
        Unavailable: The process that runs it does not answer.
    """
    _check(aicall.status, LifeRequest.PAUSE)
    if aicall.reference_type is not ReferenceType.CALL:
        return await pause_text(services, aicall)
    call = services.live_calls.get(aicall.id)
    if call is not None:
        await call.pause()
        return await services.store.get_aicall(aicall.id, customer_id=None)
    return await _ask(services, aicall.id, LifeRequest.PAUSE)


async def resume_aicall(services: Services, aicall: Aicall) -> Aicall:
    """Go on with a call that is on hold; returns when it progresses. Asked again, it changes nothing.

    Raises:
        Conflict: In its status it cannot be; the message says the status.
        Unavailable: The process that runs it does not answer.
    """
    _check(aicall.status, LifeRequest.RESUME)
    if aicall.reference_type is not ReferenceType.CALL:
        return await resume_text(services, aicall)
    call = services.live_calls.get(aicall.id)
    if call is not None:
        await call.resume()
        return await services.store.get_aicall(aicall.id, customer_id=None)
    return await _ask(services, aicall.id, LifeRequest.RESUME)


async def end_aicall(services: Services, aicall: Aicall, reason: EndReason) -> Aicall:
    """End an AIcall wherever it is: through whoever runs it, and in the store alone when nobody does.

    Returns:
        The AIcall afterwards; it may still be ending when the process that runs it is slow.
    """
    if is_final(aicall.status):
        return aicall
    if aicall.reference_type is not ReferenceType.CALL:
        await services.texts.stop(aicall.id)
        return await end_unattended(services, aicall.id, reason)
    if await services.live_calls.terminate(aicall.id, reason):
        return await services.store.get_aicall(aicall.id, customer_id=None)
    tenure = await services.store.get_tenure(aicall.id)
    if not tenure.alive(services.clock()):
        return await end_unattended(services, aicall.id, reason)
    return await _ask(services, aicall.id, LifeRequest.TERMINATE)


async def send_dtmf(services: Services, aicall: Aicall, digits: str) -> None:
    """Send digits to the caller's side of a call.

    Args:
        services: The process.
        aicall: The AIcall.
        digits: ``0-9 * # A-D``, and ``w`` for half a second of pause.

    Raises:
        Conflict: The call does not progress, another process runs it, or nothing of it can send digits.
        InvalidField: Names ``digits``: they are none, or too many.
        Unavailable: The phone system refused, or cannot be reached.
    """
    if aicall.status is not AicallStatus.PROGRESSING or aicall.reference_type is not ReferenceType.CALL:
        raise Conflict(f"the AIcall is a {aicall.reference_type} and {aicall.status}; digits need a call in progress")
    call = services.live_calls.get(aicall.id)
    if call is None:
        raise Conflict("the AIcall runs in another process of this server, and only that one can send digits")
    try:
        await call.send_dtmf(digits)
    except ToolFailed as error:
        raise Unavailable(f"the digits were not sent: {error.message}") from None


def _check(status: AicallStatus, request: LifeRequest) -> None:
    if status not in _MAY[request]:
        raise Conflict(f"the AIcall is {status} and cannot {request}")


def _done(tenure: Tenure, request: LifeRequest) -> bool:
    match request:
        case LifeRequest.PAUSE:
            return tenure.held
        case LifeRequest.RESUME:
            return not tenure.held and tenure.aicall.status is AicallStatus.PROGRESSING
        case LifeRequest.TERMINATE:
            return is_final(tenure.aicall.status)
        case LifeRequest.MESSAGES:
            return True


async def _ask(services: Services, aicall_id: UUID, request: LifeRequest) -> Aicall:
    """Ask the process that runs an AIcall, and wait until it has done it."""
    loop, settings = asyncio.get_running_loop(), services.settings
    until_s = loop.time() + settings.lease_s + settings.teardown_timeout_s
    asked = False
    while True:
        tenure = await services.store.get_tenure(aicall_id)
        if _done(tenure, request):
            return tenure.aicall
        if request is not LifeRequest.TERMINATE:
            _check(tenure.aicall.status, request)
            if request is LifeRequest.RESUME and tenure.tm_media is not None:
                raise Conflict(f"the AIcall is {tenure.aicall.status}; its media socket is lost")
        if not tenure.alive(services.clock()):
            if request is not LifeRequest.TERMINATE:
                raise Conflict(f"the AIcall is {tenure.aicall.status}, and the process that ran it is gone")
            return await end_unattended(services, aicall_id, EndReason.TERMINATE)
        if not asked:
            await services.store.ask_owner(aicall_id, request, now=services.clock())
            asked = True
        elif loop.time() >= until_s:
            if request is LifeRequest.TERMINATE:
                return tenure.aicall
            raise Unavailable("the process that runs the AIcall does not answer", retry_after_s=1)
        await asyncio.sleep(_LOOK_AGAIN_S)
