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

Name = Annotated[str, Path(alias="name", max_length=50, description="Name of the provider.", examples=["elevenlabs"])]
AiId = Annotated[UUID | None, Query(description="AI whose key is used; without it, the key of the environment.")]


class Option(BaseModel):
    """A setting of a provider, beside its key.

    Attributes:
        name: Its name in an AI's ``parameter``.
        summary: What it is.
        required: Whether the provider does not run without it.
        variable: Environment variable that sets it, or null.
        default: What holds without it, or null.
    """

    name: str
    summary: str
    required: bool
    variable: str | None
    default: str | None


class Provider(BaseModel):
    """What one provider of a seat can do here.

    Attributes:
        name: What an AI names it by.
        label: Name for people.
        runs: Whether this server runs it.
        why_not: Why it does not, or null.
        health: ``working``, ``probing`` or ``failing``; null while no call used it.
        key_variable: Environment variable of its key, or null.
        key_set: Whether that is set.
        base_url_variable: Environment variable that points it elsewhere.
        base_url_set: Whether that is set.
        own_endpoint: Whether it runs with a server of one's own.
        options: Further settings, or null.
        extra: Extra of the package that it needs, or null.
        installed: Whether that is installed.
        default_model: Model that is used when none is named, or null.
        default_voice: Voice that is used when none is named, or null.
        voices: All of its voices, where they are a closed set, or null.
        languages: All of its languages, where they are a closed set, or null.
        sample_rates_hz: Sample rates that it takes, Hz, or null.
        capabilities: What else it can do.
    """

    name: str
    label: str
    runs: bool
    why_not: str | None
    health: Literal["working", "probing", "failing"] | None
    key_variable: str | None
    key_set: bool
    base_url_variable: str
    base_url_set: bool
    own_endpoint: bool
    options: list[Option] | None
    extra: str | None
    installed: bool
    default_model: str | None
    default_voice: str | None
    voices: list[str] | None
    languages: list[str] | None
    sample_rates_hz: list[int] | None
    capabilities: list[str]


class Providers(BaseModel):
    """The providers of every seat, in the order of the seeds."""

    llm: list[Provider]
    stt: list[Provider]
    tts: list[Provider]


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


@router.get("", response_model=Providers)
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
