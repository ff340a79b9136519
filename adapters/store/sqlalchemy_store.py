"""The store on a SQL database: the contract of `base.py` over the statements of ``sql_*.py``."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from adapters.store import sql_aicalls, sql_ais, sql_events
from adapters.store.assistants.sql import SqlAssistants
from adapters.store.base import MediaGrant, Page, Store
from adapters.store.customers.sql import SqlCustomers
from adapters.store.deliveries.sql import SqlDeliveries
from adapters.store.knowledge.sql import SqlKnowledge
from adapters.store.life.sql import SqlLife
from adapters.store.migrate import schema_revision
from adapters.store.reseal import reseal
from adapters.store.rows import ai_from_row, ai_to_row, aicall_from_row, message_from_row
from adapters.store.secrets import SecretBox
from adapters.store.tables import store_values
from adapters.store.teams.sql import SqlTeams
from adapters.store.texts.sql import SqlTexts
from models.ai import Ai
from models.aicall import Aicall, EndReason
from models.errors import AicallError, InvalidField
from models.event import Event, NewEvent
from models.message import Message
from models.status import AicallStatus

_CANARY = "secret_canary"


class SqlAlchemyStore(SqlTeams, SqlLife, SqlDeliveries, SqlKnowledge, SqlCustomers, SqlTexts, SqlAssistants, Store):
    """A store on any `Database`."""

    async def open(self) -> None:
        """Connect, bring the schema up to date, and check the secret key against the database.

        Where several keys are given, secrets under an older one are sealed anew with the first.

        Raises:
            InvalidField: The secret key is not this database's, or the schema is a newer version's.
            Unavailable: The database does not answer.
        """
        await self._database.open()
        try:
            await self._database.write(partial(_check_key, box=self._box))
        except BaseException:
            await self._database.close()
            raise

    async def close(self) -> None:
        """Let running transactions end and release every connection, thread and waiting task."""
        await self._notifier.stop()
        await self._database.close()

    async def ping(self) -> None:
        """Select nothing.

        Raises:
            Unavailable: The database does not answer.
        """
        await self._database.read(lambda connection: connection.execute(select(1)).scalar_one())

    async def schema_revision(self) -> str:
        """Return the revision of the schema, for people."""
        return await self._database.read(schema_revision)

    # AIs

    async def create_ai(self, ai: Ai) -> None:
        """Insert an AI.

        Raises:
            Conflict: There is one with that id already.
        """
        await self._database.write(partial(sql_ais.insert_ai, row=ai_to_row(ai, self._box)))

    async def get_ai(self, ai_id: UUID, *, customer_id: UUID | None) -> Ai:
        """Return an AI with its secrets."""
        row = await self._database.read(partial(sql_ais.select_ai, ai_id=ai_id, customer_id=customer_id))
        return ai_from_row(row, self._box)

    async def list_ais(self, *, customer_id: UUID, page_size: int, page_token: str = "") -> Page[Ai]:
        """List AIs, newest first."""
        conditions = sql_ais.list_conditions(customer_id)
        make = partial(ai_from_row, box=self._box)
        return await self._database.read(
            partial(sql_ais.PAGES.run, conditions=conditions, make=make, page_size=page_size, page_token=page_token)
        )

    async def providers_in_use(self) -> frozenset[tuple[str, str]]:
        """Return every vendor that an AI of any customer names."""
        return await self._database.read(sql_ais.select_providers)

    async def update_ai(self, ai: Ai, *, unchanged_since: datetime | None = None) -> None:
        """Replace an AI of the same customer."""
        work = partial(
            sql_ais.update_ai,
            row=ai_to_row(ai, self._box),
            ai_id=ai.id,
            customer_id=ai.customer_id,
            unchanged_since=unchanged_since,
        )
        await self._database.write(work)

    async def delete_ai(self, ai_id: UUID, *, customer_id: UUID, now: datetime) -> Ai:
        """Delete softly, together with its media token."""
        work = partial(sql_ais.delete_ai, ai_id=ai_id, customer_id=customer_id, now=now)
        return ai_from_row(await self._database.write(work), self._box)

    # Media tokens

    async def put_grant(self, grant: MediaGrant) -> None:
        """Set the one media token of a resource."""
        await self._database.write(partial(sql_ais.put_grant, grant=grant))

    async def get_grant(self, resource_id: UUID) -> MediaGrant | None:
        """Return a resource's media token, or None."""
        return await self._database.read(partial(sql_ais.select_grant, resource_id=resource_id))

    async def find_grant_by_audiosocket(self, audiosocket_sha256: bytes) -> MediaGrant | None:
        """Return the media token whose AudioSocket UUID has this hash, or None."""
        work = partial(sql_ais.find_grant_by_audiosocket, audiosocket_sha256=audiosocket_sha256)
        return await self._database.read(work)

    # AIcalls

    async def create_aicall(
        self, aicall: Aicall, *, grant: MediaGrant | None = None, owner: str = "", tm_lease: datetime | None = None
    ) -> Event:
        """Insert an AIcall with its first event and its media token.

        Raises:
            InvalidField: Its status is not ``initiating``.
            Conflict: There is one with that id already.
        """
        work = partial(sql_aicalls.insert_aicall, aicall=aicall, grant=grant, owner=owner, tm_lease=tm_lease)
        return self._announced(await self._database.write(work))

    async def get_aicall(self, aicall_id: UUID, *, customer_id: UUID | None) -> Aicall:
        """Return an AIcall."""
        return await self._database.read(
            partial(sql_aicalls.select_aicall, aicall_id=aicall_id, customer_id=customer_id)
        )

    async def list_aicalls(
        self, *, customer_id: UUID, page_size: int, page_token: str = "", status: AicallStatus | None = None
    ) -> Page[Aicall]:
        """List AIcalls, newest first."""
        conditions = sql_aicalls.list_conditions(customer_id, status)
        return await self._database.read(
            partial(
                sql_aicalls.PAGES.run,
                conditions=conditions,
                make=aicall_from_row,
                page_size=page_size,
                page_token=page_token,
            )
        )

    async def claim_aicall(self, aicall_id: UUID, *, owner: str, tm_lease: datetime | None = None) -> Aicall:
        """Take an AIcall that nobody runs.

        Raises:
            NotFound: There is none.
            Conflict: It is owned already, or no longer ``initiating``.
            InvalidField: ``owner`` is empty.
        """
        if not owner:
            raise InvalidField("owner", "must not be empty")
        work = partial(sql_aicalls.claim_aicall, aicall_id=aicall_id, owner=owner, tm_lease=tm_lease)
        return await self._database.write(work)

    async def move_aicall(
        self,
        aicall_id: UUID,
        target: AicallStatus,
        *,
        now: datetime,
        end_reason: EndReason = EndReason.NONE,
        expected: AicallStatus | None = None,
    ) -> Aicall:
        """Make one status move with its event."""
        work = partial(
            sql_aicalls.move_aicall,
            aicall_id=aicall_id,
            target=target,
            now=now,
            end_reason=end_reason,
            expected=expected,
        )
        moved, event = await self._database.write(work)
        self._announced(event)
        return moved

    async def delete_aicall(self, aicall_id: UUID, *, customer_id: UUID, now: datetime) -> Aicall:
        """Delete softly, together with its media token."""
        work = partial(sql_aicalls.delete_aicall, aicall_id=aicall_id, customer_id=customer_id, now=now)
        return await self._database.write(work)

    async def expired_aicalls(self, *, now: datetime) -> list[Aicall]:
        """Return AIcalls that nobody runs and that nobody can connect to any more, oldest first."""
        return await self._database.read(partial(sql_aicalls.select_expired, now=now))

    # Messages and events

    async def add_message(self, message: Message, *, owner: str | None = None) -> Event:
        """Insert a message with its event.

        Raises:
            NotFound: There is no such AIcall, or it is another customer's.
            LostLease: It has another owner.
            Conflict: There is a message with that id already.
        """
        work = partial(sql_events.insert_message, message=message, owner=owner)
        return self._announced(await self._database.write(work))

    async def list_messages(
        self, aicall_id: UUID, *, customer_id: UUID | None, page_size: int, page_token: str = ""
    ) -> Page[Message]:
        """List an AIcall's messages, newest first; those of one moment in the order in which they were added."""

        def work(connection: Connection) -> Page[Message]:
            sql_aicalls.select_aicall(connection, aicall_id, customer_id)
            conditions = sql_events.message_conditions(aicall_id)
            return sql_events.MESSAGE_PAGES.run(
                connection, conditions, message_from_row, page_size=page_size, page_token=page_token
            )

        return await self._database.read(work)

    async def add_event(self, event: NewEvent, *, owner: str | None = None, key: UUID | None = None) -> Event:
        """Append an event that goes with no row.

        Raises:
            NotFound: There is no such AIcall.
            LostLease: It has another owner.
        """
        work = partial(sql_events.append_event, event=event, owner=owner, key=key)
        return self._announced(await self._database.write(work))

    async def list_events(
        self, *, after: str = "", limit: int, customer_id: UUID | None, aicall_id: UUID | None = None
    ) -> list[Event]:
        """List events, oldest first; those of deleted AIcalls too, since a reader must miss none."""
        work = partial(
            sql_events.select_events,
            after=sql_events.parse_event_id(after),
            limit=limit,
            customer_id=customer_id,
            aicall_id=aicall_id,
        )
        return await self._database.read(work)

    async def wait_events(self, *, after: str, timeout_s: float) -> bool:
        """Wait until there may be an event after the given id.

        Raises:
            InvalidField: ``after`` is not an event id.
        """
        return await self._notifier.wait(sql_events.parse_event_id(after), timeout_s=timeout_s)


def _check_key(connection: Connection, box: SecretBox) -> None:
    """Compare the secret key with the one that the database was first opened with, and finish a change of keys."""
    condition = store_values.c.name == _CANARY
    token = connection.execute(select(store_values.c.value).where(condition)).scalar_one_or_none()
    if token is None:
        connection.execute(insert(store_values).values(name=_CANARY, value=box.seal(_CANARY)))
        return
    try:
        box.unseal(token)
    except AicallError:
        raise InvalidField("secret_key", "is not the key that this database was written with") from None
    if box.rotating:
        reseal(connection, box)
        if not box.is_current(token):
            connection.execute(update(store_values).where(condition).values(value=box.seal(_CANARY)))
