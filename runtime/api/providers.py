"""``/v1.0/providers``: what this server can run, with defaults, and what an account has of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters.providers import TABLES, providers_document
from adapters.seats import ProviderRow, Seat
from adapters.verify import offers_of
from models.errors import NotFound
from runtime.api.auth import CustomerId
from runtime.services import CurrentServices, Services

router = APIRouter(prefix="/providers", tags=["Providers"])

Name = Annotated[str, Path(alias="name", max_length=50, description="Name of the provider, for example elevenlabs.")]
AiId = Annotated[UUID | None, Query(description="AI whose key is used; without it, the key of the environment.")]


class Offered(BaseModel):
    """A voice or a model.

    Attributes:
        id: What an AI names it by.
        name: Name for people; '' when the vendor has none.
        languages: The vendor's codes; empty when it does not say.
        gender: ``female``, ``male``, ``neutral`` or '' when the vendor does not say.
    """

    id: str
    name: str
    languages: list[str]
    gender: str


class Offers(BaseModel):
    """What an account can use."""

    result: list[Offered]


@router.get("")
async def list_providers(services: CurrentServices) -> JSONResponse:
    """Say which providers of each seat run here, whether their key is set, and their defaults."""
    return JSONResponse(providers_document(services.environ, services.circuits))


@router.get("/{name}/voices", response_model=Offers)
async def list_voices(
    name: Name, customer_id: CustomerId, services: CurrentServices, ai_id: AiId = None
) -> JSONResponse:
    """Ask a text-to-speech provider which voices an account can use."""
    return await _list("voices", Seat.TTS, name, customer_id, services, ai_id)


@router.get("/{name}/models", response_model=Offers)
async def list_models(
    name: Name,
    customer_id: CustomerId,
    services: CurrentServices,
    ai_id: AiId = None,
    seat: Annotated[Literal["llm", "stt", "tts"], Query(description="What the model shall do.")] = "llm",
) -> JSONResponse:
    """Ask a provider which models an account can use."""
    return await _list("models", Seat(seat), name, customer_id, services, ai_id)


async def _list(  # noqa: PLR0917
    what: str, seat: Seat, name: str, customer_id: UUID, services: Services, ai_id: UUID | None
) -> JSONResponse:
    row = _row(seat, name)
    ai = None if ai_id is None else await services.store.get_ai(ai_id, customer_id=customer_id)
    offers = await offers_of(
        row, what, services.environ, services.clients, fields=ai, secrets=None if ai is None else ai.secrets
    )
    return JSONResponse({"result": [asdict(offer) for offer in offers]})


def _row(seat: Seat, name: str) -> ProviderRow:
    for table in TABLES:
        if table.seat is seat:
            for row in table.rows:
                if row.name == name:
                    return row
    raise NotFound(f"{seat} provider", name)
