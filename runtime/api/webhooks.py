"""``/v1.0/webhooks``: where a customer's server is told of events, and what it did not take."""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters.guard import AddressGuard, allows_private
from models.webhook import DeadLetter, Webhook, WebhookWrite, new_secret
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.conditional import UnchangedSince
from runtime.api.pages import Listing, Paging, listing
from runtime.services import CurrentServices, Services

router = APIRouter(prefix="/webhooks", tags=["Webhooks"], route_class=StrictRoute)

WebhookId = Annotated[UUID, Path(alias="id", description="Id of the webhook.")]
EventId = Annotated[str, Path(alias="event_id", pattern="^[0-9]{1,18}$", description="Id of the dead letter.")]

_SECRET_BYTES = 32


class ShownWebhook(BaseModel):
    """A webhook. Its secret is not shown.

    Attributes:
        id: Its id.
        customer_id: Whose it is.
        name: For people.
        url: Where events are posted to.
        event_types: ``all``, event types, and beginnings of such that end in ``*``.
        status: ``active`` or ``disabled``.
        tm_create: When it was made.
        tm_update: When it was last changed.
        tm_delete: When it was deleted.
    """

    id: UUID
    customer_id: UUID
    name: str
    url: str
    event_types: list[str]
    status: str
    tm_create: str
    tm_update: str
    tm_delete: str


class CreatedWebhook(ShownWebhook):
    """A new webhook.

    Attributes:
        secret: What events are signed with. It cannot be read again.
    """

    secret: str


class Replayed(BaseModel):
    """How many dead letters are sent once more.

    Attributes:
        replayed: That many.
    """

    replayed: int


@router.post("", status_code=201, response_model=CreatedWebhook)
async def create_webhook(body: WebhookWrite, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Create a webhook: it is told of everything that happens from now on. The answer holds its secret, this once."""
    _check_url(body, services)
    webhook = Webhook.create(
        body,
        id=uuid4(),
        customer_id=customer_id,
        secret=new_secret(secrets.token_bytes(_SECRET_BYTES)),
        now=services.clock(),
    )
    await services.store.create_webhook(webhook)
    services.webhooks_changed.set()
    document = {**webhook.public(), "secret": webhook.secret.get_secret_value()}
    return JSONResponse(document, 201, headers={"Cache-Control": "no-store"})


@router.get("", response_model=Listing[ShownWebhook])
async def list_webhooks(paging: Paging, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """List webhooks, newest first."""
    return listing(
        await services.store.list_webhooks(
            customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
        )
    )


@router.get("/{id}", response_model=ShownWebhook)
async def get_webhook(webhook_id: WebhookId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Return a webhook, without its secret."""
    return JSONResponse((await services.store.get_webhook(webhook_id, customer_id=customer_id)).public())


@router.put("/{id}", response_model=ShownWebhook)
async def replace_webhook(
    webhook_id: WebhookId,
    body: WebhookWrite,
    customer_id: CustomerId,
    services: CurrentServices,
    unchanged_since: UnchangedSince,
) -> JSONResponse:
    """Replace a webhook. Without a ``secret`` the old one stays.

    Disabling it makes dead letters of what has not been delivered; what happens while it is disabled is not sent later.
    """
    stored = await services.store.get_webhook(webhook_id, customer_id=customer_id)
    _check_url(body, services)
    webhook = stored.replaced(body, now=services.clock())
    await services.store.update_webhook(webhook, unchanged_since=unchanged_since(stored.tm_update))
    services.webhooks_changed.set()
    return JSONResponse(webhook.public())


@router.delete("/{id}", response_model=ShownWebhook)
async def delete_webhook(webhook_id: WebhookId, customer_id: CustomerId, services: CurrentServices) -> JSONResponse:
    """Delete a webhook, with what it has not been told and its dead letters."""
    webhook = await services.store.delete_webhook(webhook_id, customer_id=customer_id, now=services.clock())
    services.webhooks_changed.set()
    return JSONResponse(webhook.public())


@router.get("/{id}/dead_letters", response_model=Listing[DeadLetter])
async def list_dead_letters(
    webhook_id: WebhookId, paging: Paging, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """List the events that the webhook did not take and that are not sent again by themselves, newest first."""
    return listing(
        await services.store.list_dead_letters(
            webhook_id, customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
        )
    )


@router.post("/{id}/dead_letters/replay", response_model=Replayed)
async def replay_dead_letters(
    webhook_id: WebhookId, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Send every dead letter once more, as if never sent. The webhook must be active."""
    return await _replay(webhook_id, customer_id, services)


@router.post("/{id}/dead_letters/{event_id}/replay", response_model=Replayed)
async def replay_dead_letter(
    webhook_id: WebhookId, event_id: EventId, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Send one dead letter once more, as if never sent. The webhook must be active."""
    return await _replay(webhook_id, customer_id, services, event_id=event_id)


async def _replay(webhook_id: UUID, customer_id: UUID, services: Services, **which: Any) -> JSONResponse:
    replayed = await services.store.replay_dead_letters(
        webhook_id, customer_id=customer_id, now=services.clock(), **which
    )
    services.webhooks_changed.set()
    return JSONResponse({"replayed": replayed})


def _check_url(body: WebhookWrite, services: Services) -> None:
    AddressGuard(allow_private=allows_private(services.environ)).check_url("url", body.url)
