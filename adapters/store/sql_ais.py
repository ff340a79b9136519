"""Statements about AIs and media tokens. Every function runs inside one transaction of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.base import MediaGrant
from adapters.store.paging import PageQuery
from adapters.store.rows import grant_from_row, grant_to_row
from adapters.store.tables import ais, media_grants
from models.errors import Changed, Conflict, NotFound
from models.options import CallOptions, named_providers
from models.timestamps import NOT_YET

PAGES = PageQuery("ais", ais, ais.c.id)
"""How AIs are listed."""


def insert_ai(connection: Connection, row: dict[str, object]) -> None:
    """Insert an AI.

    Raises:
        Conflict: There is one with that id already.
    """
    try:
        connection.execute(insert(ais), row)
    except IntegrityError:
        raise Conflict("an AI with this id exists already") from None


def select_ai(connection: Connection, ai_id: UUID, customer_id: UUID | None) -> RowMapping:
    """Return an AI's row.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(select(ais).where(_alive(ai_id, customer_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("ai", str(ai_id))
    return row


def select_providers(connection: Connection) -> frozenset[tuple[str, str]]:
    """Return every vendor that an AI names, as seat and name."""
    columns = select(ais.c.engine_model, ais.c.stt_type, ais.c.tts_type, ais.c.parameter)
    found: set[tuple[str, str]] = set()
    for engine_model, stt_type, tts_type, parameter in connection.execute(columns.where(ais.c.tm_delete == NOT_YET)):
        found |= named_providers(engine_model, stt_type, tts_type, CallOptions.model_validate(parameter))
    return frozenset(found)


def update_ai(
    connection: Connection, row: dict[str, object], ai_id: UUID, customer_id: UUID, *, unchanged_since: datetime | None
) -> None:
    """Replace an AI.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
        Changed: Its ``tm_update`` is not ``unchanged_since``.
    """
    if unchanged_since not in {None, select_ai(connection, ai_id, customer_id)["tm_update"]}:
        raise Changed("the AI was changed meanwhile")
    if not connection.execute(update(ais).where(_alive(ai_id, customer_id)).values(row)).rowcount:
        raise NotFound("ai", str(ai_id))


def delete_ai(connection: Connection, ai_id: UUID, customer_id: UUID, now: datetime) -> RowMapping:
    """Delete an AI softly and its media token for good.

    Returns:
        The AI's row, as deleted.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
    """
    statement = update(ais).where(_alive(ai_id, customer_id)).values(tm_delete=now).returning(ais)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFound("ai", str(ai_id))
    delete_grant(connection, ai_id)
    return row


def put_grant(connection: Connection, grant: MediaGrant) -> None:
    """Set a resource's one media token."""
    delete_grant(connection, grant.resource_id)
    connection.execute(insert(media_grants), grant_to_row(grant))


def select_grant(connection: Connection, resource_id: UUID) -> MediaGrant | None:
    """Return a resource's media token, or None."""
    statement = select(media_grants).where(media_grants.c.resource_id == resource_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else grant_from_row(row)


def find_grant_by_audiosocket(connection: Connection, audiosocket_sha256: bytes) -> MediaGrant | None:
    """Return the media token whose AudioSocket UUID has this hash, or None."""
    statement = select(media_grants).where(media_grants.c.audiosocket_sha256 == audiosocket_sha256)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else grant_from_row(row)


def delete_grant(connection: Connection, resource_id: UUID) -> None:
    """Remove a resource's media token, if it has one."""
    connection.execute(delete(media_grants).where(media_grants.c.resource_id == resource_id))


def list_conditions(customer_id: UUID) -> Sequence[ColumnElement[bool]]:
    """Return what a listed AI must fulfil."""
    return (ais.c.customer_id == customer_id, ais.c.tm_delete == NOT_YET)


def _alive(ai_id: UUID, customer_id: UUID | None) -> ColumnElement[bool]:
    alive = (ais.c.id == ai_id) & (ais.c.tm_delete == NOT_YET)
    return alive if customer_id is None else alive & (ais.c.customer_id == customer_id)
