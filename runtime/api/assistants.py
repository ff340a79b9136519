"""``/api/v1/ai-assistants``: the assistants of seeds 000 and 002, as their phone system knows them (pbx facts A9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from adapters.store.assistants.contract import AssistantOrder, AssistantPage, AssistantQuery
from adapters.store.base import GrantKind
from models.assistant import (
    AiAssistant,
    AiAssistantChange,
    AiAssistantWrite,
    AssistantReference,
    AssistantReferenceWrite,
    AssistantStatus,
    ReferenceType,
)
from models.assistant_providers import AICALL, AssistantProtocol
from models.errors import Conflict, InvalidField, NotFound
from models.timestamps import NOT_YET
from runtime.api.ais import MediaUrl
from runtime.api.auth import ApiKeyId, CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.assistants import assistance_of
from runtime.media_access import media_access, media_grant
from runtime.services import CurrentServices, Services
from runtime.tokens import new_token

router = APIRouter(prefix="/ai-assistants", tags=["AI assistants"], route_class=StrictRoute)

_LARGEST_ID = 2**63 - 1

AssistantId = Annotated[int, Path(alias="id", ge=1, le=_LARGEST_ID, description="Id of the assistant.", examples=[1])]
ReferenceId = Annotated[int, Path(ge=1, le=_LARGEST_ID, description="Id of the reference.", examples=[1])]


class PageMeta(BaseModel):
    """Where a page stands in its list.

    Attributes:
        from_: Number of its first item, from 1; null on an empty page.
        to: Number of its last item.
    """

    current_page: int
    per_page: int
    total: int
    last_page: int
    from_: int | None = Field(alias="from")
    to: int | None


class AssistantListing(BaseModel):
    """One page of assistants."""

    data: list[AiAssistant]
    meta: PageMeta


class UsingExtension(BaseModel):
    """An extension that routes to an assistant.

    Attributes:
        id: The reference's.
        extension_number: What the phone system calls it.
        label: For people.
    """

    id: int
    extension_number: str
    label: str


class ShownAssistant(AiAssistant):
    """An assistant with what refers to it."""

    used_by_extensions: list[UsingExtension]
    references: list[AssistantReference]


class OneAssistant(BaseModel):
    """An assistant."""

    data: ShownAssistant


class SavedAssistant(BaseModel):
    """An assistant that was just saved."""

    message: str
    data: AiAssistant


class SavedReference(BaseModel):
    """A reference that was just noted."""

    message: str
    data: AssistantReference


class ReferenceListing(BaseModel):
    """What refers to an assistant, oldest first."""

    data: list[AssistantReference]


@router.get("", response_model=AssistantListing)
async def list_assistants(  # noqa: PLR0917
    customer_id: CustomerId,
    services: CurrentServices,
    status: Annotated[AssistantStatus | None, Query(description="Only those in this status.")] = None,
    protocol: Annotated[AssistantProtocol | None, Query(description="Only those reached in this way.")] = None,
    provider: Annotated[str, Query(max_length=100, description="Only those of this provider.")] = "",
    search: Annotated[
        str, Query(max_length=255, description="Only those with this in their name, description or provider.")
    ] = "",
    sort_by: Annotated[AssistantOrder, Query(description="By what they are sorted.")] = AssistantOrder.NAME,
    sort_order: Annotated[Literal["asc", "desc"], Query(description="Which way they are sorted.")] = "asc",
    page: Annotated[int, Query(ge=1, le=1_000_000, description="Which page, from 1.")] = 1,
    per_page: Annotated[int, Query(ge=1, le=100, description="Assistants on a page.")] = 20,
) -> JSONResponse:
    """List assistants, page by page."""
    query = AssistantQuery(
        status=status,
        protocol=protocol,
        provider=provider,
        search=search,
        order=sort_by,
        descending=sort_order == "desc",
        page=page,
        per_page=per_page,
    )
    found = await services.store.list_assistants(query, customer_id=customer_id)
    return JSONResponse({"data": [it.public() for it in found.items], "meta": _meta(query, found)})


@router.post("", status_code=201, response_model=SavedAssistant)
async def create_assistant(
    body: AiAssistantWrite, customer_id: CustomerId, api_key_id: ApiKeyId, services: CurrentServices
) -> JSONResponse:
    """Create an assistant. Its protocol is that of its provider; secrets in its configuration are write-only."""
    assistant = AiAssistant.create(
        body, organization_id=customer_id, media_id=uuid4(), by=api_key_id, now=services.clock()
    )
    await _check_assistance(services, assistant)
    stored = await services.store.create_assistant(assistant)
    return JSONResponse({"message": "AI assistant created successfully.", "data": stored.public()}, 201)


@router.get("/{id}", response_model=OneAssistant)
async def get_assistant(assistant_id: AssistantId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return an assistant, without its secrets, and what refers to it."""
    assistant = await services.store.get_assistant(assistant_id, customer_id=customer_id)
    references = await services.store.list_references(assistant_id, customer_id=customer_id)
    return JSONResponse({"data": {**assistant.public(), **_usage(references)}})


@router.put("/{id}", response_model=SavedAssistant)
@router.patch("/{id}", response_model=SavedAssistant)
async def change_assistant(  # noqa: PLR0917
    assistant_id: AssistantId,
    body: AiAssistantChange,
    customer_id: CustomerId,
    api_key_id: ApiKeyId,
    services: CurrentServices,
    unchanged_since: UnchangedSince,
) -> JSONResponse:
    """Change an assistant; what the body does not name stays as it is. Running calls go on as they began.

    A ``configuration`` replaces the stored one, but for secrets that it leaves out. ``inactive`` stops new calls.
    """
    stored = await services.store.get_assistant(assistant_id, customer_id=customer_id)
    assistant = stored.changed(body, by=api_key_id, now=services.clock())
    if body.model_fields_set & {"provider", "configuration"}:
        await _check_assistance(services, assistant)
    await services.store.update_assistant(assistant, unchanged_since=unchanged_since(stored.updated_at))
    return JSONResponse({"message": "AI assistant updated successfully.", "data": assistant.public()})


@router.delete("/{id}", status_code=204, response_class=Response)
async def delete_assistant(assistant_id: AssistantId, customer_id: CustomerId, services: CurrentServices) -> Response:
    """Delete an assistant and its media token. While something refers to it, that is refused, with the references."""
    await services.store.delete_assistant(assistant_id, customer_id=customer_id, now=services.clock())
    return Response(status_code=204)


@router.post("/{id}/media_token", response_model=MediaUrl)
async def rotate_media_token(
    assistant_id: AssistantId, request: Request, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Make the long-lived media URL of an assistant of this runtime, or replace it: the old one stops working at once.

    Every connection to it creates an AIcall, while the assistant is active. Other providers have none (409).
    """
    assistant = await services.store.get_assistant(assistant_id, customer_id=customer_id)
    if assistant.provider_definition() is not AICALL:
        raise Conflict("only an assistant of the provider aicall has a media URL")
    token = new_token()
    media_id = assistant.media_id
    await services.store.put_grant(media_grant(services.settings, GrantKind.ASSISTANT, media_id, token, NOT_YET))
    access = media_access(request, services.settings, media_id, token)
    return JSONResponse(access, headers={"Cache-Control": "no-store"})


@router.post("/{id}/references", status_code=201, response_model=SavedReference)
async def add_reference(
    assistant_id: AssistantId, body: AssistantReferenceWrite, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Note that something in the phone system routes calls to an assistant. Noted again, it takes the new label."""
    reference = await services.store.add_reference(assistant_id, body, customer_id=customer_id, now=services.clock())
    return JSONResponse({"message": "Reference saved.", "data": reference.public()}, 201)


@router.get("/{id}/references", response_model=ReferenceListing)
async def list_references(
    assistant_id: AssistantId, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """List what in the phone system routes calls to an assistant, oldest first."""
    found = await services.store.list_references(assistant_id, customer_id=customer_id)
    return JSONResponse({"data": [it.public() for it in found]})


@router.delete("/{id}/references/{reference_id}", status_code=204, response_class=Response)
async def remove_reference(
    assistant_id: AssistantId, reference_id: ReferenceId, customer_id: CustomerId, services: CurrentServices
) -> Response:
    """Forget that something routes calls to an assistant."""
    await services.store.remove_reference(assistant_id, reference_id, customer_id=customer_id)
    return Response(status_code=204)


def _meta(query: AssistantQuery, page: AssistantPage) -> dict[str, Any]:
    before = (query.page - 1) * query.per_page
    return {
        "current_page": query.page,
        "per_page": query.per_page,
        "total": page.total,
        "last_page": max(1, math.ceil(page.total / query.per_page)),
        "from": before + 1 if page.items else None,
        "to": before + len(page.items) if page.items else None,
    }


def _usage(references: Sequence[AssistantReference]) -> dict[str, Any]:
    extensions = [it for it in references if it.type is ReferenceType.EXTENSION]
    return {
        "used_by_extensions": [{"id": it.id, "extension_number": it.key, "label": it.label} for it in extensions],
        "references": [it.public() for it in references],
    }


async def _check_assistance(services: Services, assistant: AiAssistant) -> None:
    """Do nothing while an assistant of this runtime has an AI or a team.

    Raises:
        InvalidField: There is no such AI or team, or it is another customer's.
    """
    if assistant.provider_definition() is not AICALL:
        return
    try:
        await assistance_of(services, assistant)
    except NotFound:
        raise InvalidField("configuration.assistance_id", "there is no such AI or team") from None
