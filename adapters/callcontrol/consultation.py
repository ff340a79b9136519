"""A warm transfer: somebody is called and told what it is about while the caller stays with the AI, and then joins.

Nobody is told of it by webhooks, which would need a public address and would reach another process: whether the
consultant has answered is asked for again and again. When nobody answers, the caller is where they were: with the AI.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from adapters.callcontrol.base import Leg
from adapters.callcontrol.transfer import Destination, Transfer
from models.errors import ToolFailed

RING_S = 25.0
"""How long a consultant's phone rings, seconds: below the half minute after which many mailboxes answer."""
TOTAL_S = 45.0
"""How long all of them together may take, seconds."""
POLL_S = 0.5
"""How often it is asked whether the consultant has answered, seconds."""
_GIVE_UP_S = 3.0


class NotAnswered(ToolFailed):
    """The consultant is busy, has declined, or does not answer."""

    def __init__(self) -> None:
        super().__init__("nobody answered; the caller is still with you")


@dataclass(frozen=True, slots=True)
class Consulting:
    """What a consultant is called with.

    Attributes:
        leg: The caller's leg.
        destination: Whom to call.
        caller_id: Number to show to them.
        summary: What they are told before the caller joins; may be empty.
        language: The summary's; '' when unknown.
        key: The same for every try to reach this one, different for all others.
    """

    leg: Leg
    destination: Destination
    caller_id: str
    summary: str
    language: str
    key: str


def consultings(leg: Leg, transfer: Transfer, caller_id: str, key: str) -> list[Consulting]:
    """Return whom to call for a transfer, in order.

    Args:
        leg: The caller's leg.
        transfer: What is asked for.
        caller_id: Number to show where the transfer names none.
        key: The transfer's idempotency key.
    """
    shown = transfer.caller_id or caller_id
    return [
        Consulting(leg, destination, shown, transfer.summary, transfer.language, f"{key}-{number}")
        for number, destination in enumerate(transfer.destinations)
    ]


class Consultation(ABC):
    """One attempt to reach one consultant."""

    @abstractmethod
    async def call(self, ring_s: float) -> None:
        """Call them. `give_up` may be asked for from then on, whether this came to its end or not.

        Args:
            ring_s: How long to let it ring, seconds.
        """

    @abstractmethod
    async def answered(self) -> bool:
        """Return whether they have answered and were told what it is about.

        Raises:
            NotAnswered: They will not any more.
        """

    @abstractmethod
    async def join(self) -> None:
        """Let the caller join."""

    @abstractmethod
    async def give_up(self) -> None:
        """Hang the consultant up."""


async def consult(
    whom: Sequence[Consulting],
    make: Callable[[Consulting], Consultation],
    *,
    ring_s: float = RING_S,
    total_s: float = TOTAL_S,
    poll_s: float = POLL_S,
) -> Destination:
    """Ask one consultant after the other, until one answers and has the caller.

    Args:
        whom: Whom to ask, in order.
        make: Makes the attempt to reach one.
        ring_s: How long each phone rings, seconds.
        total_s: How long all of it may take, seconds.
        poll_s: How often to ask whether they have answered, seconds.

    Returns:
        Who has the caller.

    Raises:
        ToolFailed: Nobody answered, or the phone system refused; the caller is still with the AI.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + total_s
    failed: ToolFailed = NotAnswered()
    for consulting in whom:
        left_s = min(ring_s, until_s - loop.time())
        if left_s <= 0:
            break
        consultation = make(consulting)
        try:
            await _reach(consultation, left_s, until_s, poll_s)
        except BaseException as error:
            # Also when the tool is cancelled: a phone that rings for nobody must not go on ringing.
            with suppress(ToolFailed, TimeoutError):
                await asyncio.wait_for(consultation.give_up(), _GIVE_UP_S)
            if not isinstance(error, ToolFailed):
                raise
            failed = error
        else:
            return consulting.destination
    raise failed


async def _reach(consultation: Consultation, ring_s: float, until_s: float, poll_s: float) -> None:
    loop = asyncio.get_running_loop()
    await consultation.call(ring_s)
    rings_until_s = min(loop.time() + ring_s, until_s)
    while not await consultation.answered():
        if loop.time() >= rings_until_s:
            raise NotAnswered
        await asyncio.sleep(poll_s)
    await consultation.join()
