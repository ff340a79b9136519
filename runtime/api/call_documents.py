"""``/callcontrol/documents``: what phone systems fetch to be told what to do. The link is the permission."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from adapters.callcontrol.documents import PATH
from models.errors import NotFound
from runtime.services import CurrentServices

router = APIRouter()


# Phone systems add a query of their own and may be configured to post.
@router.api_route(f"{PATH}/{{token}}", methods=["GET", "POST"], include_in_schema=False)
async def read_document(services: CurrentServices, token: str) -> Response:
    """Return a document.

    Raises:
        NotFound: There is none, or its time is over.
    """
    links = services.tools.documents
    if links is None:
        raise NotFound("document", "")
    found = links.read(token)
    return Response(found.body, media_type=found.media_type, headers={"Cache-Control": "no-store"})
