"""Keeps AI assistants and what refers to them in a SQL database."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from adapters.store.assistants import statements
from adapters.store.assistants.contract import AssistantPage, AssistantQuery, AssistantsStore
from adapters.store.sql_base import SqlBase
from models.assistant import AiAssistant, AssistantReference, AssistantReferenceWrite


class SqlAssistants(SqlBase, AssistantsStore):
    """The contract on any `Database`."""

    async def create_assistant(self, assistant: AiAssistant) -> AiAssistant:
        """Insert an assistant; return it with its id."""
        work = partial(statements.insert_assistant, assistant=assistant, box=self._box)
        return await self._database.write(work)

    async def get_assistant(self, assistant_id: int, *, customer_id: UUID | None) -> AiAssistant:
        """Return an assistant with its secrets."""
        work = partial(statements.select_assistant, assistant_id=assistant_id, customer_id=customer_id, box=self._box)
        return await self._database.read(work)

    async def find_assistant(self, media_id: UUID) -> AiAssistant | None:
        """Return the assistant that media URLs with this id belong to, or None."""
        return await self._database.read(partial(statements.find_assistant, media_id=media_id, box=self._box))

    async def list_assistants(self, query: AssistantQuery, *, customer_id: UUID) -> AssistantPage:
        """List one customer's assistants."""
        work = partial(statements.select_page, query=query, customer_id=customer_id, box=self._box)
        return await self._database.read(work)

    async def update_assistant(self, assistant: AiAssistant, *, unchanged_since: datetime | None = None) -> None:
        """Replace an assistant of the same customer."""
        work = partial(statements.update_assistant, assistant=assistant, box=self._box, unchanged_since=unchanged_since)
        await self._database.write(work)

    async def delete_assistant(self, assistant_id: int, *, customer_id: UUID, now: datetime) -> AiAssistant:
        """Delete softly, together with its media token."""
        work = partial(
            statements.delete_assistant,
            assistant_id=assistant_id,
            customer_id=customer_id,
            now=now,
            box=self._box,
        )
        return await self._database.write(work)

    async def add_reference(
        self, assistant_id: int, reference: AssistantReferenceWrite, *, customer_id: UUID, now: datetime
    ) -> AssistantReference:
        """Note that something routes to an assistant."""
        work = partial(
            statements.put_reference, assistant_id=assistant_id, customer_id=customer_id, written=reference, now=now
        )
        return await self._database.write(work)

    async def list_references(self, assistant_id: int, *, customer_id: UUID) -> list[AssistantReference]:
        """List what refers to an assistant, oldest first."""

        def work(connection: Connection) -> list[AssistantReference]:
            statements.check_assistant(connection, assistant_id, customer_id)
            return statements.select_references(connection, assistant_id)

        return await self._database.read(work)

    async def remove_reference(self, assistant_id: int, reference_id: int, *, customer_id: UUID) -> None:
        """Forget that something routes to an assistant."""
        work = partial(
            statements.delete_reference,
            assistant_id=assistant_id,
            reference_id=reference_id,
            customer_id=customer_id,
        )
        await self._database.write(work)
