"""``/v1.0/teams`` and, the same, ``/v1.0/ai-teams``: AIs that share a call, and their media tokens."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from adapters.store.base import GrantKind
from models.errors import InvalidField, NotFound
from models.team import Team, TeamWrite
from models.timestamps import NOT_YET
from runtime.api.ais import MediaUrl
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.api.pages import Listing, Paging, listing
from runtime.media_access import media_access, media_grant
from runtime.services import CurrentServices, Services
from runtime.tokens import new_token

_routes = APIRouter(route_class=StrictRoute)

TeamId = Annotated[UUID, Path(alias="id", description="Id of the team.")]


@_routes.post("", status_code=201, response_model=Team)
async def create_team(body: TeamWrite, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Create a team of AIs that are there already."""
    await _check_ais(body, customer_id, services)
    team = Team.create(body, id=uuid4(), customer_id=customer_id, now=services.clock())
    await services.store.create_team(team)
    return JSONResponse(team.public(), 201)


@_routes.get("", response_model=Listing[Team])
async def list_teams(paging: Paging, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """List teams, newest first."""
    page = await services.store.list_teams(
        customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)


@_routes.get("/{id}", response_model=Team)
async def get_team(team_id: TeamId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return a team."""
    return JSONResponse((await services.store.get_team(team_id, customer_id=customer_id)).public())


@_routes.put("/{id}", response_model=Team)
async def replace_team(
    team_id: TeamId,
    body: TeamWrite,
    customer_id: CustomerId,
    services: CurrentServices,
    unchanged_since: UnchangedSince,
) -> JSONResponse:
    """Replace a team. Running AIcalls keep what they began with."""
    stored = await services.store.get_team(team_id, customer_id=customer_id)
    await _check_ais(body, customer_id, services)
    team = stored.replaced(body, now=services.clock())
    await services.store.update_team(team, unchanged_since=unchanged_since(stored.tm_update))
    return JSONResponse(team.public())


@_routes.delete("/{id}", response_model=Team)
async def delete_team(team_id: TeamId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Delete a team and its media token; its AIs stay. Running AIcalls go on."""
    team = await services.store.delete_team(team_id, customer_id=customer_id, now=services.clock())
    return JSONResponse(team.public())


@_routes.post("/{id}/media_token", response_model=MediaUrl)
async def rotate_media_token(
    team_id: TeamId, request: Request, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Make the team's long-lived media URL, or replace it: the old one stops working at once.

    Every connection to it creates an AIcall, as a phone system with a fixed URL needs.
    """
    team = await services.store.get_team(team_id, customer_id=customer_id)
    token = new_token()
    await services.store.put_grant(media_grant(services.settings, GrantKind.TEAM, team.id, token, NOT_YET))
    access = media_access(request, services.settings, team.id, token)
    return JSONResponse(access, headers={"Cache-Control": "no-store"})


async def _check_ais(body: TeamWrite, customer_id: UUID, services: Services) -> None:
    known: set[UUID] = set()
    for place, member in enumerate(body.members):
        if member.ai_id in known:
            continue
        try:
            await services.store.get_ai(member.ai_id, customer_id=customer_id)
        except NotFound:
            raise InvalidField(f"members[{place}].ai_id", "there is no such AI") from None
        known.add(member.ai_id)


router = APIRouter()
router.include_router(_routes, prefix="/teams", tags=["teams"])
router.include_router(_routes, prefix="/ai-teams", tags=["teams"])
