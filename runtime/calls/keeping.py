"""What a process does for the lives of AIcalls, its own and those of others, as long as it runs."""

from __future__ import annotations

import asyncio

from runtime.calls.leases import LeaseKeeper
from runtime.calls.requests import RequestTaker
from runtime.services import Services


async def keep_lives(services: Services) -> None:
    """Renew leases, rescue orphans and do what other processes ask for, for ever."""
    async with asyncio.TaskGroup() as group:
        group.create_task(LeaseKeeper(services).keep(), name="leases")
        group.create_task(RequestTaker(services).keep(), name="requests")
