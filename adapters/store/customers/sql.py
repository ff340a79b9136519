"""Keeps customers and their API keys in a SQL database."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.base import Page
from adapters.store.customers.contract import CustomersStore, StoredKey
from adapters.store.customers.tables import api_keys, customers
from adapters.store.paging import PageQuery
from adapters.store.sql_base import SqlBase
from adapters.store.tables import events
from models.customer import ApiKey, Customer
from models.errors import Changed, Conflict, NotFound
from models.event import EventType
from models.ids import DEFAULT_CUSTOMER_ID
from models.timestamps import NOT_YET
from models.usage import Usage

_CUSTOMER_PAGES = PageQuery("customers", customers, customers.c.id)
_KEY_PAGES = PageQuery("api_keys", api_keys, api_keys.c.id)
_KEY_FIELDS = frozenset(ApiKey.model_fields) - {"prefix"}


class SqlCustomers(SqlBase, CustomersStore):
    """The contract on any `Database`."""

    async def create_customer(self, customer: Customer) -> None:
        """Insert a customer."""
        await self._database.write(partial(_insert_customer, customer=customer))

    async def get_customer(self, customer_id: UUID) -> Customer:
        """Return a customer."""
        return await self._database.read(partial(_select_customer, customer_id=customer_id))

    async def list_customers(self, *, page_size: int, page_token: str = "") -> Page[Customer]:
        """List customers, newest first."""
        conditions = (customers.c.tm_delete == NOT_YET,)
        return await self._database.read(
            partial(
                _CUSTOMER_PAGES.run,
                conditions=conditions,
                make=_customer_from_row,
                page_size=page_size,
                page_token=page_token,
            )
        )

    async def update_customer(self, customer: Customer, *, unchanged_since: datetime | None = None) -> None:
        """Replace a customer."""
        await self._database.write(partial(_update_customer, customer=customer, unchanged_since=unchanged_since))

    async def delete_customer(self, customer_id: UUID, *, now: datetime) -> Customer:
        """Delete softly and revoke its API keys."""
        if customer_id == DEFAULT_CUSTOMER_ID:
            raise Conflict("the default customer cannot be deleted")
        return await self._database.write(partial(_delete_customer, customer_id=customer_id, now=now))

    async def create_api_key(self, key: ApiKey, *, key_sha256: bytes) -> None:
        """Insert an API key."""
        await self._database.write(partial(_insert_key, key=key, key_sha256=key_sha256))

    async def get_api_key(self, customer_id: UUID, key_id: UUID) -> ApiKey:
        """Return an API key that is not revoked."""
        return await self._database.read(partial(_select_key, customer_id=customer_id, key_id=key_id))

    async def list_api_keys(self, customer_id: UUID, *, page_size: int, page_token: str = "") -> Page[ApiKey]:
        """List a customer's API keys that are not revoked, newest first."""

        def work(connection: Connection) -> Page[ApiKey]:
            _select_customer(connection, customer_id)
            conditions = (api_keys.c.customer_id == customer_id, api_keys.c.tm_delete == NOT_YET)
            return _KEY_PAGES.run(connection, conditions, _key_from_row, page_size=page_size, page_token=page_token)

        return await self._database.read(work)

    async def revoke_api_key(self, customer_id: UUID, key_id: UUID, *, now: datetime) -> ApiKey:
        """Revoke an API key for good."""
        return await self._database.write(partial(_revoke_key, customer_id=customer_id, key_id=key_id, now=now))

    async def find_api_key(self, key_id: UUID) -> StoredKey | None:
        """Return an API key that opens."""
        return await self._database.read(partial(_find_key, key_id=key_id))

    async def api_key_used(self, key_id: UUID, *, now: datetime) -> None:
        """Note when a key was used."""
        statement = update(api_keys).where(api_keys.c.id == key_id).values(tm_last_used=now)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def last_usage(self, aicall_id: UUID) -> Usage:
        """Return what an AIcall had used when that was last recorded."""
        return await self._database.read(partial(_last_usage, aicall_id=aicall_id))


def _insert_customer(connection: Connection, customer: Customer) -> None:
    try:
        connection.execute(insert(customers), _customer_to_row(customer))
    except IntegrityError:
        raise Conflict("a customer with this id exists already") from None


def _last_usage(connection: Connection, aicall_id: UUID) -> Usage:
    statement = (
        select(events.c.data)
        .where(events.c.aicall_id == aicall_id, events.c.type == EventType.USAGE)
        .order_by(events.c.sequence.desc())
        .limit(1)
    )
    data = connection.execute(statement).scalar_one_or_none()
    return Usage() if data is None else Usage.model_validate(data)


def _select_customer(connection: Connection, customer_id: UUID) -> Customer:
    statement = select(customers).where(customers.c.id == customer_id, customers.c.tm_delete == NOT_YET)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("customer", str(customer_id))
    return _customer_from_row(row)


def _update_customer(connection: Connection, customer: Customer, unchanged_since: datetime | None) -> None:
    stored = _select_customer(connection, customer.id)
    if unchanged_since not in {None, stored.tm_update}:
        raise Changed("the customer was changed meanwhile")
    connection.execute(update(customers).where(customers.c.id == customer.id).values(_customer_to_row(customer)))


def _delete_customer(connection: Connection, customer_id: UUID, now: datetime) -> Customer:
    stored = _select_customer(connection, customer_id)
    connection.execute(update(customers).where(customers.c.id == customer_id).values(tm_delete=now))
    alive = (api_keys.c.customer_id == customer_id) & (api_keys.c.tm_delete == NOT_YET)
    connection.execute(update(api_keys).where(alive).values(tm_delete=now))
    return stored.model_copy(update={"tm_delete": now})


def _insert_key(connection: Connection, key: ApiKey, key_sha256: bytes) -> None:
    _select_customer(connection, key.customer_id)
    row = {name: getattr(key, name) for name in _KEY_FIELDS}
    try:
        connection.execute(insert(api_keys), {**row, "key_sha256": key_sha256})
    except IntegrityError:
        raise Conflict("an API key with this id exists already") from None


def _select_key(connection: Connection, customer_id: UUID, key_id: UUID) -> ApiKey:
    condition = (api_keys.c.id == key_id) & (api_keys.c.customer_id == customer_id) & (api_keys.c.tm_delete == NOT_YET)
    row = connection.execute(select(api_keys).where(condition)).mappings().one_or_none()
    if row is None:
        raise NotFound("API key", str(key_id))
    return _key_from_row(row)


def _revoke_key(connection: Connection, customer_id: UUID, key_id: UUID, now: datetime) -> ApiKey:
    key = _select_key(connection, customer_id, key_id)
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(tm_delete=now))
    return key.model_copy(update={"tm_delete": now})


def _find_key(connection: Connection, key_id: UUID) -> StoredKey | None:
    statement = (
        select(api_keys)
        .join(customers, customers.c.id == api_keys.c.customer_id)
        .where(api_keys.c.id == key_id, api_keys.c.tm_delete == NOT_YET, customers.c.tm_delete == NOT_YET)
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else StoredKey(_key_from_row(row), row["key_sha256"])


def _customer_to_row(customer: Customer) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(customer, name) for name in Customer.model_fields}
    return {**row, "prices": customer.prices.model_dump()}


def _customer_from_row(row: RowMapping) -> Customer:
    return Customer.model_validate(dict(row))


def _key_from_row(row: RowMapping) -> ApiKey:
    return ApiKey.model_validate({name: row[name] for name in _KEY_FIELDS})
