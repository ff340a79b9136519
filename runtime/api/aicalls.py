"""``/v1.0/aicalls``: conversations (seed 001)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse

from models.ai import Ai
from models.aicall import Aicall, AicallWrite, AssistanceType, EndReason, ReferenceType
from models.errors import Conflict, InvalidField, NotFound
from models.status import AicallStatus
from models.team import Team
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.pages import Listing, Paging, listing
from runtime.calls.control import end_aicall, pause_aicall, resume_aicall
from runtime.calls.new_call import create_call
from runtime.ending import wait_ended
from runtime.media_access import media_access
from runtime.services import CurrentServices, Services
from runtime.text.create import create_text

router = APIRouter(prefix="/aicalls", tags=["AIcalls"], route_class=StrictRoute)

AicallId = Annotated[UUID, Path(alias="id", description="Id of the AIcall.")]


class CreatedAicall(Aicall):
    """A new AIcall, and where the phone system connects.

    Attributes:
        media_url: ``ws(s)://HOST/ws/{id}/{token}``. It cannot be read again. Null for a conversation or a task.
        audiosocket_uuid: What opens the same by Asterisk's AudioSocket; only where the server listens for that.
    """

    media_url: str | None
    audiosocket_uuid: str | None = None


@router.post("", status_code=201, response_model=CreatedAicall)
async def create_aicall(
    body: AicallWrite, request: Request, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Create an AIcall.

    One for a phone call waits for its phone system at ``media_url``, a conversation for its first message
    (``POST /v1.0/aimessages``); a task begins at once.
    """
    if body.reference_type is ReferenceType.CALL:
        services.capacity.check()
    ai, team = await _assistance(body, customer_id, services)
    aicall = Aicall.create(body, ai, id=uuid4(), now=services.clock(), team=team)
    if body.reference_type is not ReferenceType.CALL:
        await create_text(services, aicall)
        return JSONResponse({**aicall.public(), "media_url": None}, 201)
    token = await create_call(services, aicall)
    access = media_access(request, services.settings, aicall.id, token)
    return JSONResponse({**aicall.public(), **access}, 201, headers={"Cache-Control": "no-store"})


async def _assistance(body: AicallWrite, customer_id: UUID, services: Services) -> tuple[Ai, Team | None]:
    """Return the AI that answers, and its team."""
    if body.assistance_type is AssistanceType.AI:
        try:
            return await services.store.get_ai(body.assistance_id, customer_id=customer_id), None
        except NotFound:
            raise InvalidField("assistance_id", "there is no such AI") from None
    try:
        team = await services.store.get_team(body.assistance_id, customer_id=customer_id)
    except NotFound:
        raise InvalidField("assistance_id", "there is no such team") from None
    try:
        return await services.store.get_ai(team.start_member.ai_id, customer_id=customer_id), team
    except NotFound:
        raise InvalidField("assistance_id", "the AI of the team's start member was deleted") from None


@router.get("", response_model=Listing[Aicall])
async def list_aicalls(
    paging: Paging,
    customer_id: CustomerId,
    services: CurrentServices,
    status: Annotated[AicallStatus | None, Query(description="Only those in this status.")] = None,
) -> JSONResponse:
    """List AIcalls, newest first."""
    page = await services.store.list_aicalls(
        customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token, status=status
    )
    return listing(page)


@router.get("/{id}", response_model=Aicall)
async def get_aicall(aicall_id: AicallId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return an AIcall."""
    return JSONResponse((await services.store.get_aicall(aicall_id, customer_id=customer_id)).public())


@router.post("/{id}/terminate", response_model=Aicall)
async def terminate_aicall(aicall_id: AicallId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """End an AIcall and answer when it has ended. Asked again, it answers the same."""
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    return JSONResponse((await end_aicall(services, aicall, EndReason.TERMINATE)).public())


@router.post("/{id}/pause", response_model=Aicall)
async def pause_aicall_(aicall_id: AicallId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Put a call on hold and answer when the bot is silent and nobody is listened to. Asked again, it answers the same.

    The conversation stays as it is, the media socket too. A call that does not progress cannot be paused (409).
    """
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    return JSONResponse((await pause_aicall(services, aicall)).public())


@router.post("/{id}/resume", response_model=Aicall)
async def resume_aicall_(aicall_id: AicallId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Go on with a call that is on hold and answer when it progresses. Asked again, it answers the same.

    A call whose media socket is lost resumes by itself when its phone system connects again (409 until then).
    """
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    return JSONResponse((await resume_aicall(services, aicall)).public())


@router.delete("/{id}", response_model=Aicall)
async def delete_aicall(aicall_id: AicallId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Delete an AIcall, after ending it if it is alive."""
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    await end_aicall(services, aicall, EndReason.TERMINATE)
    if not await wait_ended(services.store, aicall.id, timeout_s=services.settings.teardown_timeout_s):
        raise Conflict("the AIcall is still ending; try again")
    deleted = await services.store.delete_aicall(aicall_id, customer_id=customer_id, now=services.clock())
    return JSONResponse(deleted.public())
