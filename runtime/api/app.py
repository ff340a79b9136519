"""The application: routes, key, problems."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from runtime.api import (
    aicalls,
    aimessages,
    ais,
    answers,
    assistant_cxml,
    assistant_providers,
    assistants,
    call_documents,
    connect,
    customers,
    docs,
    dtmf,
    events,
    health,
    providers,
    rags,
    teams,
    webhooks,
)
from runtime.api.auth import BearerAuth, declared_bearer
from runtime.api.bodies import BodyLimit
from runtime.api.conditional import ConditionalRequests
from runtime.api.openapi import PROBLEMS, complete
from runtime.api.problem import install_problem_handlers
from runtime.api.queries import refuse_unknown_query
from runtime.calls import media_socket
from runtime.services import Services

_DESCRIPTION = """Configure AIs, create AIcalls, point a phone system at their `media_url`, and read what happened.

Errors are problem details (RFC 9457) that name the field. Moments are UTC, `2024-03-01T10:00:00.000000Z`; "not yet"
is `9999-01-01T00:00:00.000000Z`."""


def _version() -> str:
    try:
        return version("aicall-runtime")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


class _Application(FastAPI):
    """FastAPI, with everything in the OpenAPI document that no route says of itself."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def create_app(services: Services) -> FastAPI:
    """Make the ASGI application. It opens and closes nothing: `services` must be open while it serves."""
    app = _Application(
        title="AIcall runtime",
        description=_DESCRIPTION,
        version=_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    # The one that is added last is asked first.
    app.add_middleware(ConditionalRequests)
    app.add_middleware(BodyLimit)
    app.add_middleware(BearerAuth, services=services)
    install_problem_handlers(app)
    resources = APIRouter(
        prefix="/v1.0", dependencies=[Depends(declared_bearer), Depends(refuse_unknown_query)], responses=PROBLEMS
    )
    for module in (ais, teams, aicalls, connect, dtmf, aimessages, rags, customers, events, providers, webhooks):
        resources.include_router(module.router)
    app.include_router(resources)
    # Whatever else a carrier writes into its query is its own affair.
    assistance = APIRouter(prefix="/api/v1", dependencies=[Depends(declared_bearer)], responses=PROBLEMS)
    for module in (assistants, assistant_providers):
        assistance.include_router(module.router, dependencies=[Depends(refuse_unknown_query)])
    assistance.include_router(assistant_cxml.router)
    app.include_router(assistance)
    app.include_router(answers.router, prefix="/v1.0", dependencies=[Depends(declared_bearer)], responses=PROBLEMS)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.include_router(call_documents.router)
    app.include_router(media_socket.router)
    return app
