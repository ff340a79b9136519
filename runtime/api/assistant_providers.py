"""``/api/v1/ai-assistant/providers``: what AI assistants can run on, for a phone system's forms (pbx facts A9)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from models.assistant_providers import PROVIDERS, AssistantProtocol, ProviderDefinition, providers_of
from runtime.api.openapi import problem

router = APIRouter(prefix="/ai-assistant/providers", tags=["AI assistants"])

ProviderKey = Annotated[str, Path(max_length=100, description="Key of the provider.", examples=["retell"])]
ProtocolName = Annotated[str, Path(max_length=50, description="sip or websocket.", examples=["sip"])]


class Providers(BaseModel):
    """Every provider.

    Attributes:
        grouped: The same, by protocol.
        protocols: The protocols.
    """

    providers: list[ProviderDefinition]
    grouped: dict[AssistantProtocol, list[ProviderDefinition]]
    protocols: list[AssistantProtocol]


class AllProviders(BaseModel):
    """Every provider."""

    data: Providers


class OneProvider(BaseModel):
    """A provider."""

    data: ProviderDefinition


class SomeProviders(BaseModel):
    """The providers of one protocol."""

    data: list[ProviderDefinition]


@router.get("", response_model=AllProviders)
async def list_providers() -> JSONResponse:
    """List every provider with the fields of its configuration."""
    told = Providers(
        providers=list(PROVIDERS.values()),
        grouped={protocol: providers_of(protocol) for protocol in AssistantProtocol},
        protocols=list(AssistantProtocol),
    )
    return JSONResponse(AllProviders(data=told).model_dump(mode="json"))


@router.get("/{key}", response_model=OneProvider)
async def get_provider(key: ProviderKey) -> JSONResponse:
    """Return a provider."""
    if key not in PROVIDERS:
        raise HTTPException(HTTPStatus.NOT_FOUND, "Provider not found")
    return JSONResponse(OneProvider(data=PROVIDERS[key]).model_dump(mode="json"))


@router.get(
    "/protocol/{protocol}", response_model=SomeProviders, responses={400: problem("There is no such protocol.")}
)
async def list_providers_of(protocol: ProtocolName) -> JSONResponse:
    """List the providers that are reached in one way."""
    if protocol not in set(AssistantProtocol):
        raise HTTPException(HTTPStatus.BAD_REQUEST, 'Invalid protocol. Must be "sip" or "websocket".')
    return JSONResponse(SomeProviders(data=providers_of(AssistantProtocol(protocol))).model_dump(mode="json"))
