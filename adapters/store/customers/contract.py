"""The contract of a store, as far as it keeps customers and their API keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from models.customer import ApiKey, Customer
from models.usage import Usage

if TYPE_CHECKING:
    from adapters.store.base import Page


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key, of which only the hash is kept.

    Attributes:
        key: What can be listed of it.
        key_sha256: SHA-256 of the whole key (32 bytes).
    """

    key: ApiKey
    key_sha256: bytes = field(repr=False)


class CustomersStore(ABC):
    """Keeps customers and their API keys.

    - The default customer (`models.ids.DEFAULT_CUSTOMER_ID`) is always there.
    - An AIcall of a phone call is refused with `LimitReached` while its customer has `Customer.max_calls` that have not
      ended, however many processes ask at once (`Store.create_aicall`); 0 is no limit.
    """

    @abstractmethod
    async def create_customer(self, customer: Customer) -> None:
        """Insert a customer.

        Raises:
            Conflict: There is one with that id already.
        """

    @abstractmethod
    async def get_customer(self, customer_id: UUID) -> Customer:
        """Return a customer.

        Raises:
            NotFound: There is none, or it is deleted.
        """

    @abstractmethod
    async def list_customers(self, *, page_size: int, page_token: str = "") -> Page[Customer]:
        """List customers, newest first.

        Raises:
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def update_customer(self, customer: Customer, *, unchanged_since: datetime | None = None) -> None:
        """Replace a customer.

        Args:
            customer: The customer.
            unchanged_since: ``tm_update`` that the stored one must have; None for whatever it has.

        Raises:
            NotFound: There is none with that id, or it is deleted.
            Changed: It has another ``tm_update``.
        """

    @abstractmethod
    async def delete_customer(self, customer_id: UUID, *, now: datetime) -> Customer:
        """Delete softly and revoke its API keys. Running AIcalls go on; what it owns stays, out of everybody's reach.

        Raises:
            NotFound: There is none, or it is deleted already.
            Conflict: It is the default customer.
        """

    @abstractmethod
    async def create_api_key(self, key: ApiKey, *, key_sha256: bytes) -> None:
        """Insert an API key.

        Args:
            key: What can be listed of it.
            key_sha256: SHA-256 of the whole key, 32 bytes.

        Raises:
            NotFound: There is no such customer, or it is deleted.
            Conflict: There is a key with that id already.
        """

    @abstractmethod
    async def get_api_key(self, customer_id: UUID, key_id: UUID) -> ApiKey:
        """Return an API key that is not revoked.

        Raises:
            NotFound: The customer has none with that id, or it is revoked.
        """

    @abstractmethod
    async def list_api_keys(self, customer_id: UUID, *, page_size: int, page_token: str = "") -> Page[ApiKey]:
        """List a customer's API keys that are not revoked, newest first.

        Raises:
            NotFound: There is no such customer, or it is deleted.
            InvalidField: ``page_token`` is none of ours.
        """

    @abstractmethod
    async def revoke_api_key(self, customer_id: UUID, key_id: UUID, *, now: datetime) -> ApiKey:
        """Revoke an API key for good.

        Raises:
            NotFound: The customer has none with that id, or it is revoked already.
        """

    @abstractmethod
    async def find_api_key(self, key_id: UUID) -> StoredKey | None:
        """Return an API key that opens: neither revoked nor of a deleted customer; else None."""

    @abstractmethod
    async def api_key_used(self, key_id: UUID, *, now: datetime) -> None:
        """Note when a key was used. A key that is not there is passed over."""

    @abstractmethod
    async def last_usage(self, aicall_id: UUID) -> Usage:
        """Return what an AIcall had used when that was last recorded; nothing of one that is not there."""
