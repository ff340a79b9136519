"""The contract of a store.

Every method is one transaction. A store has no clock: moments come from the caller. It never blocks the event loop and
is never called from the audio path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from adapters.store.assistants.contract import AssistantsStore
from adapters.store.customers.contract import CustomersStore
from adapters.store.deliveries.contract import DeliveriesStore
from adapters.store.knowledge.contract import KnowledgeStore
from adapters.store.life.contract import LifeStore
from adapters.store.teams.contract import TeamsStore
from adapters.store.texts.contract import TextStore
from models.ai import Ai
from models.aicall import Aicall, EndReason
from models.event import Event, NewEvent
from models.message import Message
from models.status import AicallStatus

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list, newest first.

    Attributes:
        items: The rows.
        next_page_token: Give it back to get the next page; '' on the last one.
    """

    items: Sequence[Item]
    next_page_token: str = ""


class GrantKind(StrEnum):
    """What a media token opens."""

    AICALL = "aicall"
    """One AIcall, for one connection at a time."""
    AI = "ai"
    """An AI: every connection makes a new AIcall. Long-lived."""
    TEAM = "team"
    """A team: as an AI."""
    ASSISTANT = "assistant"
    """An AI assistant on this runtime: as its AI or team, while it is active."""


@dataclass(frozen=True, slots=True)
class MediaGrant:
    """A media token, of which only the hash is kept.

    Attributes:
        kind: What it opens.
        resource_id: Id of the AIcall, AI or team; the ``media_id`` of an AI assistant.
        token_sha256: SHA-256 of the token (32 bytes).
        tm_expire: From when on it opens nothing.
        audiosocket_sha256: SHA-256 of the UUID that opens the same by AudioSocket (its 16 bytes); None for none.
    """

    kind: GrantKind
    resource_id: UUID
    token_sha256: bytes = field(repr=False)
    tm_expire: datetime
    audiosocket_sha256: bytes | None = field(default=None, repr=False)


class Store(TeamsStore, LifeStore, DeliveriesStore, KnowledgeStore, CustomersStore, TextStore, AssistantsStore, ABC):
    """Where everything is kept. `customer_id` None means "of any customer" (the runtime itself, never a request).

    Contract (checked for every store by ``tests/adapters/store/contract.py``):

    - Soft-deleted rows are not found and not listed.
    - A status move is a compare-and-set: it and its event happen together, exactly once, or not at all.
    - Event sequences are 1, 2, 3, … per AIcall without gaps; `Event.id` grows in the order of `list_events`.
    - Secrets are encrypted at rest; a store opened with another key raises instead of returning garbage.
    - A cancelled caller does not cancel its transaction, which is done whole or not at all either way.
    - Any method raises ``Unavailable`` while the store is not open or does not answer.
    """

    @abstractmethod
    async def open(self) -> None:
        """Connect and bring the schema up to date. May be called twice, and again after `close`.

        Raises:
            InvalidField: ``secret_key`` is not this store's, or ``database`` cannot be used by this version.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let running transactions end and release everything. May be called twice."""

    @abstractmethod
    async def ping(self) -> None:
        """Do the smallest round trip.

        Raises:
            Unavailable: The store does not answer.
        """

    @abstractmethod
    async def schema_revision(self) -> str:
        """Return the revision of the schema, for people: ``0006``."""

    # AIs

    @abstractmethod
    async def create_ai(self, ai: Ai) -> None:
        """Insert an AI.

        Raises:
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_ai(self, ai_id: UUID, *, customer_id: UUID | None) -> Ai:
        """Return an AI with its secrets.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def list_ais(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Ai]:
        """List AIs, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def providers_in_use(self) -> frozenset[tuple[str, str]]:
        """Return every vendor that an AI of any customer names, as seat (``llm``, ``stt``, ``tts``) and name."""

    @abstractmethod
    async def update_ai(self, ai: Ai, *, unchanged_since: datetime | None = None) -> None:
        """Replace an AI.

        Args:
            ai: The AI.
            unchanged_since: ``tm_update`` that the stored one must have; None for whatever it has.

        Raises:
            NotFound: Its customer has none with that id, or it is deleted.
            Changed: It has another ``tm_update``.
        """

    @abstractmethod
    async def delete_ai(self, ai_id: UUID, *, customer_id: UUID, now: datetime) -> Ai:
        """Delete softly, together with its media token. Running AIcalls go on.

        Raises:
            NotFound: There is none, or it is deleted already.
        """

    # Media tokens

    @abstractmethod
    async def put_grant(self, grant: MediaGrant) -> None:
        """Set the one media token of a resource, replacing an earlier one. Whether the resource exists is not asked."""

    @abstractmethod
    async def get_grant(self, resource_id: UUID) -> MediaGrant | None:
        """Return a resource's media token, or None."""

    @abstractmethod
    async def find_grant_by_audiosocket(self, audiosocket_sha256: bytes) -> MediaGrant | None:
        """Return the media token whose AudioSocket UUID has this hash, or None."""

    # AIcalls

    @abstractmethod
    async def create_aicall(
        self, aicall: Aicall, *, grant: MediaGrant | None = None, owner: str = "", tm_lease: datetime | None = None
    ) -> Event:
        """Insert an AIcall with its ``aicall_status_initiating`` event and, if given, its media token.

        Args:
            aicall: The AIcall, in status ``initiating``.
            grant: Its media token.
            owner: Who runs it already; '' when nobody does yet.
            tm_lease: Until when the owner says that it lives; None for an owner that is taken for dead.

        Raises:
            InvalidField: Its ``status`` is another one.
            NotFound: Its customer is deleted.
            LimitReached: Its customer has as many calls at the same time as it may have (`CustomersStore`).
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_aicall(self, aicall_id: UUID, *, customer_id: UUID | None) -> Aicall:
        """Return an AIcall.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def list_aicalls(
        self, *, customer_id: UUID, page_size: int, page_token: str = "", status: AicallStatus | None = None
    ) -> Page[Aicall]:
        """List AIcalls, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def claim_aicall(self, aicall_id: UUID, *, owner: str, tm_lease: datetime | None = None) -> Aicall:
        """Take an ``initiating`` AIcall that nobody runs, so that only one connection ever runs it.

        Args:
            aicall_id: Which AIcall.
            owner: Who takes it.
            tm_lease: Until when the owner says that it lives; None for an owner that is taken for dead.

        Raises:
            NotFound: There is none.
            Conflict: It is owned already, or no longer ``initiating``.
            InvalidField: ``owner`` is empty.
        """

    @abstractmethod
    async def move_aicall(
        self,
        aicall_id: UUID,
        target: AicallStatus,
        *,
        now: datetime,
        end_reason: EndReason = EndReason.NONE,
        expected: AicallStatus | None = None,
    ) -> Aicall:
        """Make one status move, compare-and-set, together with its ``aicall_status_…`` event.

        Args:
            aicall_id: Which AIcall.
            target: The status to move to.
            now: The moment of the move.
            end_reason: Why it ends; kept once set.
            expected: Move only from this status; None for "from whatever status the table allows".

        Returns:
            The AIcall after the move.

        Raises:
            NotFound: There is none.
            IllegalTransition: The table does not list the move, or the status is not the expected one.
        """

    @abstractmethod
    async def delete_aicall(self, aicall_id: UUID, *, customer_id: UUID, now: datetime) -> Aicall:
        """Delete softly, together with its media token. The AIcall must be ``terminated``. Its events stay.

        Raises:
            NotFound: There is none, or it is deleted already.
            Conflict: It is still alive.
        """

    @abstractmethod
    async def expired_aicalls(self, *, now: datetime) -> list[Aicall]:
        """Return AIcalls still ``initiating``, owned by nobody, whose media token has expired; oldest first."""

    # Messages and events

    @abstractmethod
    async def add_message(self, message: Message, *, owner: str | None = None) -> Event:
        """Insert a message with its ``aimessage_created`` event.

        Args:
            message: The message.
            owner: Who must own the AIcall; None for whoever does. To an owner, a message that is there already is one
                that it wrote before, when the answer got lost: its event is returned.

        Raises:
            NotFound: Its customer has no such AIcall.
            LostLease: The AIcall has another owner.
            Conflict: There is a message with that id already.
        """

    @abstractmethod
    async def list_messages(
        self, aicall_id: UUID, *, customer_id: UUID | None, page_size: int, page_token: str = ""
    ) -> Page[Message]:
        """List an AIcall's messages, newest first; those of one moment in the order in which they were added.

        Raises:
            NotFound: There is no such AIcall.
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def add_event(self, event: NewEvent, *, owner: str | None = None, key: UUID | None = None) -> Event:
        """Append an event that goes with no row.

        Args:
            event: The event.
            owner: Who must own the AIcall; None for whoever does.
            key: Tells a write that is repeated because its answer got lost: the event is there once. None for none.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: The AIcall has another owner.
        """

    @abstractmethod
    async def list_events(
        self, *, after: str = "", limit: int, customer_id: UUID | None, aicall_id: UUID | None = None
    ) -> list[Event]:
        """List events, oldest first; those of deleted AIcalls too, so that a reader misses none.

        Args:
            after: Id of the last event that the reader has; '' for the beginning.
            limit: Most events to return.
            customer_id: Whose.
            aicall_id: Only those of one AIcall.

        Raises:
            InvalidField: ``after`` is not an event id.
        """

    @abstractmethod
    async def wait_events(self, *, after: str, timeout_s: float) -> bool:
        """Wait until there may be an event after the given id.

        Returns:
            False when the time is over, or the store was closed, without one.

        Raises:
            InvalidField: ``after`` is not an event id.
        """
