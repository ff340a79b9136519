"""What every part of the SQL store stands on."""

from __future__ import annotations

from functools import partial

from adapters.store import sql_events
from adapters.store.database import Database
from adapters.store.notifier import EventNotifier
from adapters.store.secrets import SecretBox
from models.event import Event

POLL_INTERVAL_S = 0.25
"""How often the database is asked for events of other processes while somebody waits, seconds."""


class SqlBase:
    """A database, the box that seals secrets in it, and whoever waits for its events.

    Args:
        database: Where it is kept.
        box: Seals and unseals the secrets.
        poll_interval_s: How late an event of another process is noticed at most, seconds.
    """

    def __init__(self, database: Database, box: SecretBox, *, poll_interval_s: float = POLL_INTERVAL_S) -> None:
        self._database = database
        self._box = box
        self._notifier = EventNotifier(
            partial(database.read, sql_events.newest_event_id), poll_interval_s=poll_interval_s
        )
        database.on_events_elsewhere = self._notifier.nudge

    def _announced(self, event: Event) -> Event:
        """Wake whoever waits for an event that was just committed."""
        self._notifier.seen(int(event.id))
        return event
