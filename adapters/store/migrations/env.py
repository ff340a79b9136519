"""Alembic's environment: runs the revisions on the connection that `adapters.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from adapters.store.all_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by copying it.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
