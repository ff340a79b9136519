"""``/v1.0/aimessages``: what was said in an AIcall."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from models.message import Message
from runtime.api.auth import CustomerId
from runtime.api.pages import Listing, Paging, listing
from runtime.services import CurrentServices

router = APIRouter(prefix="/aimessages", tags=["Messages"])


@router.get("", response_model=Listing[Message])
async def list_messages(
    aicall_id: Annotated[UUID, Query(description="Whose messages.")],
    paging: Paging,
    customer_id: CustomerId,
    services: CurrentServices,
) -> JSONResponse:
    """List an AIcall's messages, newest first."""
    page = await services.store.list_messages(
        aicall_id, customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)
