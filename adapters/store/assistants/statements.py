"""Statements about AI assistants. Every function runs inside one transaction of its caller."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.store.assistants.contract import MOST_REFERENCES, AssistantOrder, AssistantPage, AssistantQuery
from adapters.store.assistants.tables import ai_assistant_references as references
from adapters.store.assistants.tables import ai_assistants as assistants
from adapters.store.secrets import SecretBox
from adapters.store.sql_ais import delete_grant
from models.assistant import AiAssistant, AssistantReference, AssistantReferenceWrite, AssistantStatus, ReferenceType
from models.assistant_providers import AssistantProtocol
from models.errors import Changed, Conflict, InUse, InvalidField, NotFound

_NOT_COLUMNS = frozenset({"usage_count"})
_MOST_TOLD = 100
"""Most references of a kind that a refusal tells."""

KINDS = {
    ReferenceType.DID_NUMBER: "did_numbers",
    ReferenceType.RING_GROUP_FALLBACK: "ring_group_fallbacks",
    ReferenceType.IVR_OPTION: "ivr_menu_options",
    ReferenceType.IVR_FAILOVER: "ivr_failovers",
    ReferenceType.BUSINESS_HOURS: "business_hours",
    ReferenceType.AUTO_DIALER: "auto_dialers",
    ReferenceType.EXTENSION: "extensions",
}
"""Under which name references of a type are told."""

_ORDER = {
    AssistantOrder.NAME: assistants.c.name,
    AssistantOrder.PROVIDER: assistants.c.provider,
    AssistantOrder.PROTOCOL: assistants.c.protocol,
    AssistantOrder.STATUS: assistants.c.status,
    AssistantOrder.CREATED_AT: assistants.c.created_at,
    AssistantOrder.UPDATED_AT: assistants.c.updated_at,
}


def for_organization(customer_id: UUID) -> ColumnElement[bool]:
    """One customer's."""
    return assistants.c.organization_id == customer_id


def with_status(status: AssistantStatus) -> ColumnElement[bool]:
    """Those in a status."""
    return assistants.c.status == status


def active() -> ColumnElement[bool]:
    """Those that calls are routed to."""
    return with_status(AssistantStatus.ACTIVE)


def inactive() -> ColumnElement[bool]:
    """Those that no new calls are routed to."""
    return with_status(AssistantStatus.INACTIVE)


def by_protocol(protocol: AssistantProtocol) -> ColumnElement[bool]:
    """Those that are reached in one way."""
    return assistants.c.protocol == protocol


def by_provider(provider: str) -> ColumnElement[bool]:
    """Those of a provider."""
    return assistants.c.provider == provider


def search(text: str) -> ColumnElement[bool]:
    """Those in whose name, description or provider a text stands, in any case."""
    columns = (assistants.c.name, assistants.c.description, assistants.c.provider)
    first, *others = (column.icontains(text, autoescape=True) for column in columns)
    for other in others:
        first |= other
    return first


def insert_assistant(connection: Connection, assistant: AiAssistant, box: SecretBox) -> AiAssistant:
    """Insert an assistant; return it with its id.

    Raises:
        InvalidField: Its customer has one of that name.
    """
    _check_name(connection, assistant)
    row = _row(assistant, box)
    del row["id"]
    try:
        with connection.begin_nested():
            key = connection.execute(insert(assistants).returning(assistants.c.id), row).scalar_one()
    except IntegrityError:
        raise _name_taken() from None
    return assistant.model_copy(update={"id": key, "usage_count": 0})


def select_assistant(
    connection: Connection, assistant_id: int, customer_id: UUID | None, box: SecretBox
) -> AiAssistant:
    """Return an assistant.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
    """
    row = connection.execute(_select().where(_alive(assistant_id, customer_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("AI assistant", str(assistant_id))
    return _from_row(row, box)


def find_assistant(connection: Connection, media_id: UUID, box: SecretBox) -> AiAssistant | None:
    """Return the assistant that media URLs with this id belong to, or None."""
    found = (assistants.c.media_id == media_id) & assistants.c.deleted_at.is_(None)
    row = connection.execute(_select().where(found)).mappings().one_or_none()
    return None if row is None else _from_row(row, box)


def select_page(connection: Connection, query: AssistantQuery, customer_id: UUID, box: SecretBox) -> AssistantPage:
    """Return one page of a customer's assistants."""
    conditions = [for_organization(customer_id), assistants.c.deleted_at.is_(None), *_scopes(query)]
    total = connection.execute(select(func.count()).select_from(assistants).where(*conditions)).scalar_one()
    column = _ORDER[query.order]
    order = [it.desc() if query.descending else it.asc() for it in (column, assistants.c.id)]
    statement = _select().where(*conditions).order_by(*order).limit(query.per_page)
    rows = connection.execute(statement.offset((query.page - 1) * query.per_page)).mappings()
    return AssistantPage([_from_row(row, box) for row in rows], total)


def update_assistant(
    connection: Connection, assistant: AiAssistant, box: SecretBox, *, unchanged_since: datetime | None
) -> None:
    """Replace an assistant.

    Raises:
        NotFound: There is none, it is deleted, or it is another customer's.
        InvalidField: Its customer has another one of that name.
        Changed: Its ``updated_at`` is not ``unchanged_since``.
    """
    stored = select_assistant(connection, assistant.id, assistant.organization_id, box)
    if unchanged_since not in {None, stored.updated_at}:
        raise Changed("the AI assistant was changed meanwhile")
    _check_name(connection, assistant)
    statement = update(assistants).where(_alive(assistant.id, assistant.organization_id))
    try:
        with connection.begin_nested():
            connection.execute(statement.values(_row(assistant, box)))
    except IntegrityError:
        raise _name_taken() from None


def delete_assistant(
    connection: Connection, assistant_id: int, customer_id: UUID, now: datetime, box: SecretBox
) -> AiAssistant:
    """Delete an assistant softly, together with its media token.

    Raises:
        NotFound: There is none, it is deleted already, or it is another customer's.
        InUse: Something refers to it.
    """
    assistant = select_assistant(connection, assistant_id, customer_id, box)
    if assistant.is_in_use():
        told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for reference in select_references(connection, assistant_id):
            kind = told[KINDS[reference.type]]
            if len(kind) < _MOST_TOLD:
                kind.append(reference.public())
        raise InUse("AI assistant", dict(told))
    connection.execute(update(assistants).where(assistants.c.id == assistant_id).values(deleted_at=now))
    delete_grant(connection, assistant.media_id)
    return assistant.model_copy(update={"deleted_at": now})


def put_reference(
    connection: Connection, assistant_id: int, customer_id: UUID, written: AssistantReferenceWrite, now: datetime
) -> AssistantReference:
    """Insert a reference, or give the one that is there its new label.

    Raises:
        NotFound: There is no such assistant.
        Conflict: There are too many references to it.
    """
    check_assistant(connection, assistant_id, customer_id)
    same = (
        (references.c.assistant_id == assistant_id)
        & (references.c.type == written.type)
        & (references.c.key == written.key)
    )
    row = connection.execute(select(references).where(same)).mappings().one_or_none()
    if row is not None:
        connection.execute(update(references).where(same).values(label=written.label))
        return _reference({**row, "label": written.label})
    of_assistant = references.c.assistant_id == assistant_id
    if connection.execute(select(func.count()).where(of_assistant)).scalar_one() >= MOST_REFERENCES:
        raise Conflict("there are too many references to this AI assistant")
    new = {**written.model_dump(), "assistant_id": assistant_id, "created_at": now}
    key = connection.execute(insert(references).returning(references.c.id), new).scalar_one()
    return _reference({**new, "id": key})


def select_references(connection: Connection, assistant_id: int) -> list[AssistantReference]:
    """Return what refers to an assistant, oldest first."""
    statement = select(references).where(references.c.assistant_id == assistant_id).order_by(references.c.id)
    return [_reference(dict(row)) for row in connection.execute(statement).mappings()]


def delete_reference(connection: Connection, assistant_id: int, reference_id: int, customer_id: UUID) -> None:
    """Remove a reference.

    Raises:
        NotFound: There is no such assistant or reference.
    """
    check_assistant(connection, assistant_id, customer_id)
    found = (references.c.id == reference_id) & (references.c.assistant_id == assistant_id)
    if not connection.execute(delete(references).where(found)).rowcount:
        raise NotFound("reference", str(reference_id))


def check_assistant(connection: Connection, assistant_id: int, customer_id: UUID) -> None:
    """Do nothing while a customer has such an assistant.

    Raises:
        NotFound: It has none.
    """
    if connection.execute(select(assistants.c.id).where(_alive(assistant_id, customer_id))).scalar() is None:
        raise NotFound("AI assistant", str(assistant_id))


def _scopes(query: AssistantQuery) -> Sequence[ColumnElement[bool]]:
    found = []
    if query.status is not None:
        found.append(with_status(query.status))
    if query.protocol is not None:
        found.append(by_protocol(query.protocol))
    if query.provider:
        found.append(by_provider(query.provider))
    if query.search:
        found.append(search(query.search))
    return found


def _select() -> Select[Any]:
    used = select(func.count()).where(references.c.assistant_id == assistants.c.id).scalar_subquery()
    return select(assistants, used.label("usage_count"))


def _alive(assistant_id: int, customer_id: UUID | None) -> ColumnElement[bool]:
    alive = (assistants.c.id == assistant_id) & assistants.c.deleted_at.is_(None)
    return alive if customer_id is None else alive & for_organization(customer_id)


def _check_name(connection: Connection, assistant: AiAssistant) -> None:
    """Refuse a name that is taken; two that come at the same moment are told apart by the index."""
    taken = (
        for_organization(assistant.organization_id)
        & (assistants.c.name == assistant.name)
        & assistants.c.deleted_at.is_(None)
        & (assistants.c.id != assistant.id)
    )
    if connection.execute(select(assistants.c.id).where(taken)).first() is not None:
        raise _name_taken()


def _name_taken() -> InvalidField:
    return InvalidField("name", "The name has already been taken.")


def _row(assistant: AiAssistant, box: SecretBox) -> dict[str, Any]:
    row = {name: getattr(assistant, name) for name in AiAssistant.model_fields if name not in _NOT_COLUMNS}
    secrets = {name: secret.get_secret_value() for name, secret in assistant.secrets.items()}
    row["secrets"] = box.seal(json.dumps(secrets)) if secrets else ""
    return row


def _from_row(row: RowMapping, box: SecretBox) -> AiAssistant:
    sealed = row["secrets"]
    secrets = {name: SecretStr(text) for name, text in json.loads(box.unseal(sealed)).items()} if sealed else {}
    return AiAssistant.model_validate({**row, "secrets": secrets})


def _reference(row: dict[str, Any]) -> AssistantReference:
    return AssistantReference.model_validate({name: row[name] for name in AssistantReference.model_fields})
