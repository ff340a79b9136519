"""``/v1.0/ais``: the stored configurations (seed 003), and their media tokens."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters.store.base import GrantKind
from adapters.validate import validate_ai
from adapters.verify import verify_ai
from models.ai import Ai, AiWrite
from models.errors import InvalidField, NotFound
from models.ids import NIL_ID
from models.timestamps import NOT_YET
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.api.pages import Listing, Paging, listing
from runtime.media_access import media_access, media_grant
from runtime.services import CurrentServices, Services
from runtime.tokens import new_token

router = APIRouter(prefix="/ais", tags=["AIs"], route_class=StrictRoute)

AiId = Annotated[UUID, Path(alias="id", description="Id of the AI.")]

Verify = Annotated[
    bool, Query(description="Ask the vendors whether they accept the keys, and refuse the AI where one does not.")
]


class MediaUrl(BaseModel):
    """Where a phone system connects.

    Attributes:
        media_url: ``ws(s)://HOST/ws/{id}/{token}``. It cannot be read again.
        audiosocket_uuid: What opens the same by Asterisk's AudioSocket; only where the server listens for that.
    """

    media_url: str
    audiosocket_uuid: str | None = None


@router.post("", status_code=201, response_model=Ai)
async def create_ai(
    body: AiWrite, customer_id: CustomerId, services: CurrentServices, verify: Verify = False
) -> JSONResponse:
    """Create an AI. Its keys are write-only."""
    # In a thread, since it may read a script or look for a model.
    await asyncio.to_thread(validate_ai, body, body.secrets(), services.environ)
    if verify:
        await verify_ai(body, body.secrets(), services.environ, services.clients)
    await _check_rag(body, customer_id, services)
    await services.preloader.ensure(body.providers)
    ai = Ai.create(body, id=uuid4(), customer_id=customer_id, now=services.clock())
    await services.store.create_ai(ai)
    return JSONResponse(ai.public(), 201)


async def _check_rag(body: AiWrite, customer_id: UUID, services: Services) -> None:
    if body.rag_id == NIL_ID:
        return
    try:
        await services.store.get_rag(body.rag_id, customer_id=customer_id)
    except NotFound:
        raise InvalidField("rag_id", "there is no such knowledge base") from None


@router.get("", response_model=Listing[Ai])
async def list_ais(paging: Paging, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """List AIs, newest first."""
    page = await services.store.list_ais(
        customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)


@router.get("/{id}", response_model=Ai)
async def get_ai(ai_id: AiId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return an AI, without its keys."""
    return JSONResponse((await services.store.get_ai(ai_id, customer_id=customer_id)).public())


@router.put("/{id}", response_model=Ai)
async def replace_ai(  # noqa: PLR0917
    ai_id: AiId,
    body: AiWrite,
    customer_id: CustomerId,
    services: CurrentServices,
    unchanged_since: UnchangedSince,
    verify: Verify = False,
) -> JSONResponse:
    """Replace an AI. Keys that the body does not name stay as they are; running AIcalls keep what they began with."""
    stored = await services.store.get_ai(ai_id, customer_id=customer_id)
    await asyncio.to_thread(validate_ai, body, body.secrets(stored.secrets), services.environ)
    if verify:
        await verify_ai(body, body.secrets(stored.secrets), services.environ, services.clients)
    await _check_rag(body, customer_id, services)
    await services.preloader.ensure(body.providers)
    ai = stored.replaced(body, now=services.clock())
    await services.store.update_ai(ai, unchanged_since=unchanged_since(stored.tm_update))
    return JSONResponse(ai.public())


@router.delete("/{id}", response_model=Ai)
async def delete_ai(ai_id: AiId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Delete an AI and its media token. Running AIcalls go on."""
    ai = await services.store.delete_ai(ai_id, customer_id=customer_id, now=services.clock())
    return JSONResponse(ai.public())


@router.post("/{id}/media_token", response_model=MediaUrl)
async def rotate_media_token(
    ai_id: AiId, request: Request, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Make the AI's long-lived media URL, or replace it: the old one stops working at once.

    Every connection to it creates an AIcall, as a phone system with a fixed URL needs.
    """
    ai = await services.store.get_ai(ai_id, customer_id=customer_id)
    token = new_token()
    await services.store.put_grant(media_grant(services.settings, GrantKind.AI, ai.id, token, NOT_YET))
    access = media_access(request, services.settings, ai.id, token)
    return JSONResponse(access, headers={"Cache-Control": "no-store"})
