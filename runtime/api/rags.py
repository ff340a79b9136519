"""``/v1.0/rags``: knowledge bases, their documents, and trying out what a search finds."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse

from adapters.knowledge.reader import read_document
from adapters.knowledge.reading import CONTENT_TYPES
from adapters.knowledge.splitting import passages
from models.errors import InvalidField
from models.rag import Rag, RagDocument, RagFindings, RagSearch, RagWrite
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.api.pages import Listing, Paging, listing
from runtime.knowledge import search
from runtime.services import CurrentServices

router = APIRouter(prefix="/rags", tags=["knowledge bases"], route_class=StrictRoute)

RagId = Annotated[UUID, Path(alias="id", description="Id of the knowledge base.")]
DocumentId = Annotated[UUID, Path(description="Id of the document.")]
Name = Annotated[str, Query(min_length=1, max_length=255, description="What the document is called in results.")]

_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The document itself.",
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "We open at nine."},
            "text/markdown": {"schema": {"type": "string"}, "example": "# Opening hours\n\nWe open at nine."},
            "text/html": {"schema": {"type": "string"}, "example": "<h1>Opening hours</h1><p>We open at nine.</p>"},
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post("", status_code=201, response_model=Rag)
async def create_rag(body: RagWrite, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Create a knowledge base. AIs use it when their ``rag_id`` names it."""
    rag = Rag.create(body, id=uuid4(), customer_id=customer_id, now=services.clock())
    await services.store.create_rag(rag)
    return JSONResponse(rag.public(), 201)


@router.get("", response_model=Listing[Rag])
async def list_rags(paging: Paging, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """List knowledge bases, newest first."""
    page = await services.store.list_rags(
        customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)


@router.get("/{id}", response_model=Rag)
async def get_rag(rag_id: RagId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return a knowledge base."""
    return JSONResponse((await services.store.get_rag(rag_id, customer_id=customer_id)).public())


@router.put("/{id}", response_model=Rag)
async def replace_rag(
    rag_id: RagId,
    body: RagWrite,
    customer_id: CustomerId,
    services: CurrentServices,
    unchanged_since: UnchangedSince,
) -> JSONResponse:
    """Replace what a knowledge base is called; its documents stay."""
    stored = await services.store.get_rag(rag_id, customer_id=customer_id)
    rag = stored.replaced(body, now=services.clock())
    await services.store.update_rag(rag, unchanged_since=unchanged_since(stored.tm_update))
    return JSONResponse(rag.public())


@router.delete("/{id}", response_model=Rag)
async def delete_rag(rag_id: RagId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Delete a knowledge base and its documents. While AIs use it, that is refused, with their ids."""
    rag = await services.store.delete_rag(rag_id, customer_id=customer_id, now=services.clock())
    return JSONResponse(rag.public())


@router.post("/{id}/search", response_model=RagFindings)
async def search_rag(
    rag_id: RagId, body: RagSearch, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Return what the tool ``search_knowledge`` would find for a question."""
    await services.store.get_rag(rag_id, customer_id=customer_id)
    found = await search(services.store, services.knowledge, rag_id, body.query, body.limit)
    return JSONResponse(RagFindings(result=found).model_dump(mode="json"))


@router.post("/{id}/documents", status_code=201, response_model=RagDocument, openapi_extra=_UPLOAD)
async def add_document(
    rag_id: RagId, request: Request, customer_id: CustomerId, services: CurrentServices, name: Name
) -> JSONResponse:
    """Add a document: text, Markdown, HTML or PDF, as the body, with its ``Content-Type``. It is found from now on."""
    await services.store.get_rag(rag_id, customer_id=customer_id)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in CONTENT_TYPES:
        raise InvalidField("content_type", f"must be one of {', '.join(CONTENT_TYPES)}")
    sections = await read_document(await request.body(), content_type)
    # Splitting a long text takes a while.
    pieces = await asyncio.to_thread(lambda: list(passages(sections)))
    document = RagDocument(
        id=uuid4(),
        customer_id=customer_id,
        rag_id=rag_id,
        name=name,
        content_type=content_type,
        characters=sum(len(section.text) for section in sections),
        passages=len(pieces),
        tm_create=services.clock(),
    )
    await services.store.add_document(document, pieces)
    services.knowledge.added()
    return JSONResponse(document.public(), 201)


@router.get("/{id}/documents", response_model=Listing[RagDocument])
async def list_documents(
    rag_id: RagId, paging: Paging, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """List the documents of a knowledge base, newest first."""
    page = await services.store.list_documents(
        rag_id, customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)


@router.get("/{id}/documents/{document_id}", response_model=RagDocument)
async def get_document(
    rag_id: RagId, document_id: DocumentId, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Return a document, without its text."""
    document = await services.store.get_document(document_id, rag_id=rag_id, customer_id=customer_id)
    return JSONResponse(document.public())


@router.delete("/{id}/documents/{document_id}", response_model=RagDocument)
async def delete_document(
    rag_id: RagId, document_id: DocumentId, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Delete a document for good; it is found no more."""
    document = await services.store.delete_document(document_id, rag_id=rag_id, customer_id=customer_id)
    return JSONResponse(document.public())
