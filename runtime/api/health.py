"""``/healthz``, ``/readyz`` and ``/metrics``: for orchestrators and scrapers, without a key."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from runtime.metrics import CONTENT_TYPE
from runtime.services import CurrentServices

router = APIRouter(tags=["Operation"])


@router.get("/healthz")
async def health() -> JSONResponse:
    """Say that the process lives. Stays 200 while it drains."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readiness(services: CurrentServices) -> JSONResponse:
    """Say whether the process takes new calls: 503 while it drains, is full, or its store does not answer."""
    services.capacity.check()
    await services.store.ping()
    return JSONResponse({"status": "ready", "live_calls": len(services.live_calls)})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: CurrentServices) -> Response:
    """Return the metrics in the Prometheus text format."""
    return Response(services.metrics.render(), media_type=CONTENT_TYPE)
