"""The contract of a store, as far as it keeps conversations in writing and tasks.

Nobody owns such an AIcall while nothing happens in it. Whoever has something to do in it takes it for a while, and
leaves it afterwards; what is to be done is itself in the store, so that any process can do it, and goes on with it
when another one dies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.aicall import Aicall
from models.event import Event, NewEvent
from models.message import Message


@dataclass(frozen=True, slots=True)
class WaitingText:
    """A message that waits for its turn.

    Attributes:
        message: The message.
        run_llm: Whether the model is to answer it.
        at_once: In a phone call: whether it is said at once, and not after what is being said.
    """

    message: Message
    run_llm: bool
    at_once: bool = False


class TextStore(ABC):
    """Keeps conversations in writing and tasks."""

    @abstractmethod
    async def create_text(self, aicall: Aicall, *, tm_expire: datetime) -> Event:
        """Insert an AIcall of reference type ``conversation`` or ``task`` with its ``aicall_status_initiating`` event.

        Args:
            aicall: The AIcall, in status ``initiating``.
            tm_expire: When it is to be ended, whatever happens in it.

        Raises:
            InvalidField: Its ``status`` is another one.
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def queue_message(self, message: Message, *, run_llm: bool, at_once: bool = False, limit: int) -> Event:
        """Insert a message with its ``aimessage_created`` event, and put it behind those that wait for their turn.

        Args:
            message: The message, of a conversation or a phone call.
            run_llm: Whether the model is to answer it.
            at_once: Whether it is said at once, in a phone call.
            limit: How many may wait, this one counted.

        Raises:
            NotFound: Its customer has no such AIcall.
            Conflict: It has ended, is a task, too many wait, or there is a message with that id already.
        """

    @abstractmethod
    async def waiting_messages(self, aicall_id: UUID) -> list[WaitingText]:
        """Return the messages that wait for their turn, and the one whose turn it is, in order."""

    @abstractmethod
    async def take_messages(self, aicall_id: UUID) -> list[WaitingText]:
        """Take the messages that wait, in order; each is given out once."""

    @abstractmethod
    async def take_text(self, aicall_id: UUID, *, owner: str, now: datetime, tm_lease: datetime) -> bool:
        """Take an AIcall that nobody has, or whose owner's lease is over; or renew one's own lease.

        Returns:
            Whether it was taken: False also when it is no conversation or task.
        """

    @abstractmethod
    async def leave_text(self, aicall_id: UUID, *, owner: str) -> None:
        """Give an AIcall back. Does nothing when somebody else has it."""

    @abstractmethod
    async def record_text(
        self,
        aicall_id: UUID,
        *,
        owner: str,
        messages: Sequence[Message] = (),
        events: Sequence[NewEvent] = (),
        answered: UUID | None = None,
    ) -> None:
        """Write what its owner did, all of it or nothing.

        Events, then messages with theirs, then that a message waits no more.

        Messages that are there already are passed over: what was written before the answer got lost.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: Another process has it, or it is being ended.
        """

    @abstractmethod
    async def unattended_texts(self, *, now: datetime, limit: int = 100) -> list[UUID]:
        """Return what nobody has and something is to be done in: conversations with messages that wait, and tasks.

        Only those that are ``initiating`` or ``progressing``.
        """

    @abstractmethod
    async def expired_texts(self, *, now: datetime, limit: int = 100) -> list[Aicall]:
        """Return conversations and tasks that have not ended and whose time is over, the oldest first."""
