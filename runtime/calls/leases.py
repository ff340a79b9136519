"""Says that this process lives, and takes care of the AIcalls of processes that no longer do.

The owner of an AIcall is a fencing token, and its lease says until when the owner is taken for alive. All processes on
one database must agree on ``lease_s``, and their clocks to a third of it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger

from adapters.store.life.contract import LifeStep, Tenure
from models.aicall import EndReason
from models.errors import AicallError
from models.status import AicallStatus
from runtime.calls.rescue import rescue
from runtime.services import Services

_RENEWALS = 3
"""How often a lease is renewed while it lasts."""
_RETRY_S = 0.5


def lease_end(services: Services) -> datetime:
    """Return until when a lease lasts that begins now."""
    return services.clock() + timedelta(seconds=services.settings.lease_s)


class LeaseKeeper:
    """One process's leases.

    Args:
        services: The process.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._in_touch_since: datetime | None = None

    async def keep(self) -> None:
        """Renew and rescue for ever."""
        pause_s = self._services.settings.lease_s / _RENEWALS
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, calls must not be lost by giving up here
                self._in_touch_since = None
                if not isinstance(error, AicallError):
                    logger.exception("leases could not be renewed")
                await asyncio.sleep(min(_RETRY_S, pause_s))
            else:
                await asyncio.sleep(pause_s)

    async def look(self) -> int:
        """Renew this process's leases; then rescue what others have left behind.

        Returns:
            How many AIcalls were rescued.

        Raises:
            Unavailable: The store does not answer.
        """
        services = self._services
        await self._renew()
        orphans = await services.store.list_orphans(now=services.clock())
        now = services.clock()
        if self._in_touch_since is None:
            self._in_touch_since = now
        # After an outage all leases may be over: whoever lives has renewed its own when another lease has passed.
        if now - self._in_touch_since < timedelta(seconds=services.settings.lease_s):
            return 0
        return sum([await self._rescue(orphan) for orphan in orphans])

    async def _renew(self) -> None:
        services = self._services
        calls = {aicall_id: services.live_calls.get(aicall_id) for aicall_id in services.live_calls.ids()}
        kept = await services.store.renew_leases(
            list(calls), owner=services.live_calls.owner, tm_lease=lease_end(services)
        )
        for aicall_id, call in calls.items():
            if aicall_id not in kept and call is not None:
                call.taken()

    async def _rescue(self, orphan: Tenure) -> bool:
        services, owner = self._services, self._services.live_calls.owner
        grace = timedelta(seconds=services.settings.reattach_grace_s)
        now = services.clock()
        step = rescue(orphan, now=now, grace=grace)
        aicall_id = orphan.aicall.id
        adopted = await services.store.adopt_aicall(
            orphan, step, owner=owner, now=now, tm_lease=step.tm_media or lease_end(services)
        )
        if not adopted:
            return False
        self._tell(aicall_id, step)
        if step.target is AicallStatus.TERMINATING:
            last = LifeStep(AicallStatus.TERMINATED, end_reason=EndReason.WORKER_LOST)
            await services.store.record_life(aicall_id, last, owner=owner, now=now)
            self._tell(aicall_id, last)
        return True

    def _tell(self, aicall_id: UUID, step: LifeStep) -> None:
        if step.target is not None:
            self._services.metrics.status_moved(step.target)
            logger.warning("aicall {}: its process is gone; it is {} now", aicall_id, step.target)
