"""``/healthz``, ``/readyz`` and ``/metrics``: for orchestrators and scrapers, without a key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from runtime.api.openapi import PROBLEMS
from runtime.metrics import CONTENT_TYPE
from runtime.services import CurrentServices

router = APIRouter(tags=["Operation"])


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """The process takes new calls.

    Attributes:
        live_calls: How many it has.
    """

    status: Literal["ready"]
    live_calls: int


@router.get("/healthz", response_model=Alive)
async def health() -> JSONResponse:
    """Say that the process lives. Stays 200 while it drains."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=Ready, responses={503: PROBLEMS[503]})
async def readiness(services: CurrentServices) -> JSONResponse:
    """Say whether the process takes new calls: 503 while it drains, is full, or its store does not answer."""
    services.capacity.check()
    await services.store.ping()
    return JSONResponse({"status": "ready", "live_calls": len(services.live_calls)})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: CurrentServices) -> Response:
    """Return the metrics in the Prometheus text format, with labels for each process where several serve the port."""
    text = await services.scrape() if services.scrape else services.metrics.render()
    return Response(text, media_type=CONTENT_TYPE)
