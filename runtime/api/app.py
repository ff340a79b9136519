"""The application: routes, key, problems."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from runtime.api import aicalls, aimessages, ais, docs, events, health, providers
from runtime.api.auth import BearerAuth, declared_bearer
from runtime.api.bodies import BodyLimit
from runtime.api.problem import MEDIA_TYPE, Problem, install_problem_handlers
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
    """FastAPI, with the problem document among the schemas: FastAPI adds models as ``application/json`` only."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"].update({**problem.pop("$defs", {}), "Problem": problem})
        return document


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: _problem("The API key is missing or wrong."),
    404: _problem("There is no such resource."),
    409: _problem("The resource is in a state that forbids this."),
    422: _problem("A field is wrong; `errors` names it."),
    502: _problem("A vendor that was asked refused or did not answer."),
    503: _problem("Draining, or the store does not answer; try again."),
}


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
    app.add_middleware(BodyLimit)
    app.add_middleware(BearerAuth, services=services)
    install_problem_handlers(app)
    resources = APIRouter(prefix="/v1.0", dependencies=[Depends(declared_bearer)], responses=_PROBLEMS)
    for module in (ais, aicalls, aimessages, events, providers):
        resources.include_router(module.router)
    app.include_router(resources)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.include_router(media_socket.router)
    return app
