"""Saying something in an AIcall from outside: in a conversation its next turn, in a phone call between what is said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid4

from adapters.store.life.contract import LifeRequest
from models.aicall import Aicall, ReferenceType
from models.errors import Conflict
from models.message import Direction, Message, Role
from models.status import AicallStatus
from runtime.calls.put_in import say_note
from runtime.services import Services
from runtime.text.session import load_history
from runtime.text.wake import attend

MOST_WAITING = 50
"""How many messages of one conversation may wait for their turn."""
WAIT_S = 60.0
"""How long a request waits for an answer, seconds."""

_BATCH = 100
_DIRECTIONS = {Role.USER: Direction.INCOMING, Role.ASSISTANT: Direction.OUTGOING}
_OVER = (AicallStatus.TERMINATING, AicallStatus.TERMINATED)


class When(StrEnum):
    """When something is said in a phone call."""

    NOW = "now"
    """At once; what the AI is saying is cut off."""
    AFTER = "after"
    """After what is being said."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What is to be said.

    Attributes:
        role: Who says it.
        content: What.
        run_llm: Whether the model answers it.
        when: When, in a phone call.
    """

    role: Role
    content: str
    run_llm: bool
    when: When = When.AFTER


async def add_message(
    services: Services, aicall_id: UUID, new: NewMessage, *, customer_id: UUID
) -> tuple[Message, str]:
    """Say something in an AIcall.

    Returns:
        The message, and where it waits for its turn the id of its event; '' where it does not.

    Raises:
        NotFound: The customer has no such AIcall.
        Conflict: It has ended, too many messages wait, or it is a phone call that nobody runs.
        Unavailable: The process drains.
    """
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    message = Message(
        id=uuid4(),
        customer_id=aicall.customer_id,
        aicall_id=aicall.id,
        role=new.role,
        content=new.content,
        direction=_DIRECTIONS.get(new.role, Direction.NONE),
        tm_create=services.clock(),
    )
    if aicall.status in _OVER:
        raise Conflict("the AIcall has ended")
    match aicall.reference_type:
        case ReferenceType.CONVERSATION:
            event = await services.store.queue_message(message, run_llm=new.run_llm, limit=MOST_WAITING)
            attend(services, aicall.id)
            return message, event.id
        case ReferenceType.TASK:
            raise Conflict("a task takes no messages")
        case ReferenceType.CALL:
            message = await _say_in_call(services, aicall, message, new)
            return message, ""


async def _say_in_call(services: Services, aicall: Aicall, message: Message, new: NewMessage) -> Message:
    if aicall.status is AicallStatus.INITIATING:
        raise Conflict("the call has not begun")
    call = services.live_calls.get(aicall.id)
    if call is None and not (await services.store.get_tenure(aicall.id)).alive(services.clock()):
        raise Conflict("the process that ran the call is gone")
    if new.role is Role.ASSISTANT:
        # What the caller hears of it becomes the assistant's message.
        note = {"role": Role.NOTIFICATION, "content": say_note(new.content), "direction": Direction.NONE}
        message = message.model_copy(update=note)
    await services.store.queue_message(message, run_llm=new.run_llm, at_once=new.when is When.NOW, limit=MOST_WAITING)
    if call is not None:
        await call.take_messages()
    else:
        await services.store.ask_owner(aicall.id, LifeRequest.MESSAGES, now=services.clock())
    return message


async def wait_answered(
    services: Services, question: Message, cursor: str, *, timeout_s: float = WAIT_S
) -> tuple[list[Message], bool]:
    """Wait until a message's turn is over.

    Args:
        services: The process.
        question: The message.
        cursor: Id of its event.
        timeout_s: Longest wait, seconds.

    Returns:
        What was said and done in it so far, and whether it still waits.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while await _waits(services, question):
                # Events of every AIcall are read, so that the cursor passes those that woke us for nothing.
                events = await services.store.list_events(after=cursor, limit=_BATCH, customer_id=None)
                if events:
                    cursor = events[-1].id
                else:
                    await services.store.wait_events(after=cursor, timeout_s=timeout_s)
    except TimeoutError:
        pass
    history = await load_history(services, question.aicall_id)
    replies = [message for message in history if message.in_reply_to_message_id == question.id]
    return replies, await _waits(services, question)


async def _waits(services: Services, question: Message) -> bool:
    aicall = await services.store.get_aicall(question.aicall_id, customer_id=None)
    if aicall.status in _OVER:
        return False
    waiting = await services.store.waiting_messages(question.aicall_id)
    return any(one.message.id == question.id for one in waiting)
