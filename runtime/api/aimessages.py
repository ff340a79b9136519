"""``/v1.0/aimessages``: what was said in an AIcall, and saying more."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from models.message import Message, Role
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.api.pages import Listing, Paging, listing
from runtime.services import CurrentServices
from runtime.text.messages import NewMessage, When, add_message, wait_answered

router = APIRouter(prefix="/aimessages", tags=["Messages"], route_class=StrictRoute)

MOST_CHARACTERS = 32_768
"""Longest message."""


class SentRole(StrEnum):
    """Who a message that is sent here may be from."""

    USER = Role.USER
    SYSTEM = Role.SYSTEM
    ASSISTANT = Role.ASSISTANT


class MessageWrite(BaseModel):
    """Body of ``POST /v1.0/aimessages``.

    Attributes:
        aicall_id: The AIcall.
        role: ``user`` says something to the AI, ``system`` instructs it, ``assistant`` speaks in its name: in a phone
            call the caller hears exactly this.
        content: The text.
        run_llm: Whether the AI answers. Not given: after ``user`` it does, after ``system`` and ``assistant`` not.
        when: In a phone call: ``after`` what is being said, or ``now``, cutting the AI off.
    """

    model_config = ConfigDict(extra="forbid")

    aicall_id: UUID
    role: SentRole = SentRole.USER
    content: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    run_llm: Annotated[bool, Field(strict=True)] | None = None
    when: When = When.AFTER


class DeliveryStatus(StrEnum):
    """What became of a message."""

    PENDING = "pending"
    """It waits for its turn, or the turn is not over."""
    DELIVERED = "delivered"
    """The turn is over."""


class SentMessage(Message):
    """A message that was sent.

    Attributes:
        delivery_status: Whether its turn is over.
        replies: With ``wait=true``: what the AI said and did in the turn, in order.
    """

    delivery_status: DeliveryStatus
    replies: list[Message]


@router.post("", status_code=201, response_model=SentMessage)
async def create_message(
    body: MessageWrite,
    customer_id: CustomerId,
    services: CurrentServices,
    wait: Annotated[
        bool, Query(description="Answer when the AI has answered, or when that takes longer than a minute.")
    ] = False,
) -> JSONResponse:
    """Say something in an AIcall.

    In a conversation the message waits for its turn and the AI answers it in writing: as events while it is made
    (``aimessage_intermediate``, then ``aimessage_created``), and here with ``wait=true``. In a running phone call it is
    put into what is being said there.
    """
    run_llm = body.role is SentRole.USER if body.run_llm is None else body.run_llm
    new = NewMessage(Role(body.role), body.content, run_llm=run_llm, when=body.when)
    message, cursor = await add_message(services, body.aicall_id, new, customer_id=customer_id)
    replies: list[Message] = []
    pending = bool(cursor)
    if cursor and wait:
        replies, pending = await wait_answered(services, message, cursor)
    return JSONResponse(_sent(message, replies, pending=pending), 201)


def _sent(message: Message, replies: list[Message], *, pending: bool) -> dict[str, Any]:
    status = DeliveryStatus.PENDING if pending else DeliveryStatus.DELIVERED
    return {**message.public(), "delivery_status": status, "replies": [reply.public() for reply in replies]}


@router.get("", response_model=Listing[Message])
async def list_messages(
    aicall_id: Annotated[UUID, Query(description="Whose messages.")],
    paging: Paging,
    customer_id: CustomerId,
    services: CurrentServices,
) -> JSONResponse:
    """List an AIcall's messages, newest first."""
    page = await services.store.list_messages(
        aicall_id, customer_id=customer_id, page_size=paging.page_size, page_token=paging.page_token
    )
    return listing(page)
