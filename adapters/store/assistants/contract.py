"""The contract of a store, as far as it keeps AI assistants and what refers to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from models.assistant import AiAssistant, AssistantReference, AssistantReferenceWrite, AssistantStatus
from models.assistant_providers import AssistantProtocol

MOST_REFERENCES = 10_000
"""Most references to one assistant."""


class AssistantOrder(StrEnum):
    """By what assistants are sorted; those that are equal in it, by their id."""

    NAME = "name"
    PROVIDER = "provider"
    PROTOCOL = "protocol"
    STATUS = "status"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True, slots=True)
class AssistantQuery:
    """Which assistants are listed: the scopes of seed 000. None and '' mean any.

    Attributes:
        status: ``withStatus``, and with its two values ``active`` and ``inactive``.
        protocol: ``byProtocol``.
        provider: ``byProvider``.
        search: ``search``: what stands in the name, the description or the provider, in any case.
        order: By what they are sorted.
        descending: Whether the last comes first.
        page: Which page, from 1.
        per_page: Assistants on a page.
    """

    status: AssistantStatus | None = None
    protocol: AssistantProtocol | None = None
    provider: str = ""
    search: str = ""
    order: AssistantOrder = AssistantOrder.NAME
    descending: bool = False
    page: int = 1
    per_page: int = 20


@dataclass(frozen=True, slots=True)
class AssistantPage:
    """One page of assistants.

    Attributes:
        items: The assistants, each with its ``usage_count``.
        total: How many there are on all pages.
    """

    items: Sequence[AiAssistant]
    total: int


class AssistantsStore(ABC):
    """Keeps AI assistants.

    - Names are unique among a customer's assistants that are not deleted.
    - Ids count up over all customers, and none is ever used again.
    - Whatever is read carries its ``usage_count``.
    """

    @abstractmethod
    async def create_assistant(self, assistant: AiAssistant) -> AiAssistant:
        """Insert an assistant; return it with its id.

        Raises:
            InvalidField: Its customer has one of that name.
        """

    @abstractmethod
    async def get_assistant(self, assistant_id: int, *, customer_id: UUID | None) -> AiAssistant:
        """Return an assistant with its secrets.

        Raises:
            NotFound: There is none, it is deleted, or it is another customer's.
        """

    @abstractmethod
    async def find_assistant(self, media_id: UUID) -> AiAssistant | None:
        """Return the assistant that media URLs with this id belong to, or None."""

    @abstractmethod
    async def list_assistants(self, query: AssistantQuery, *, customer_id: UUID) -> AssistantPage:
        """List one customer's assistants (``forOrganization``)."""

    @abstractmethod
    async def update_assistant(self, assistant: AiAssistant, *, unchanged_since: datetime | None = None) -> None:
        """Replace an assistant of the same customer.

        Args:
            assistant: What it is to be.
            unchanged_since: ``updated_at`` that the stored one must have; None for whatever it has.

        Raises:
            NotFound: There is none, or it is deleted.
            InvalidField: Its customer has another one of that name.
            Changed: It has another ``updated_at``.
        """

    @abstractmethod
    async def delete_assistant(self, assistant_id: int, *, customer_id: UUID, now: datetime) -> AiAssistant:
        """Delete softly, together with its media token. Running calls go on.

        Raises:
            NotFound: There is none, or it is deleted already.
            InUse: Something refers to it.
        """

    @abstractmethod
    async def add_reference(
        self, assistant_id: int, reference: AssistantReferenceWrite, *, customer_id: UUID, now: datetime
    ) -> AssistantReference:
        """Note that something routes to an assistant. Noted again, it takes the new label and stays one.

        Raises:
            NotFound: There is no such assistant.
            Conflict: There are too many references to it.
        """

    @abstractmethod
    async def list_references(self, assistant_id: int, *, customer_id: UUID) -> list[AssistantReference]:
        """List what refers to an assistant, oldest first.

        Raises:
            NotFound: There is no such assistant.
        """

    @abstractmethod
    async def remove_reference(self, assistant_id: int, reference_id: int, *, customer_id: UUID) -> None:
        """Forget that something routes to an assistant.

        Raises:
            NotFound: There is no such assistant or reference.
        """
