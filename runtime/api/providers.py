"""``/v1.0/providers``: what this server can run, with defaults."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from adapters.providers import providers_document
from runtime.services import CurrentServices

router = APIRouter(prefix="/providers", tags=["Providers"])


@router.get("")
async def list_providers(services: CurrentServices) -> JSONResponse:
    """Say which providers of each seat run here, whether their key is set, and their defaults."""
    return JSONResponse(providers_document(services.environ))
