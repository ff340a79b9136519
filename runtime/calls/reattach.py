"""Taking an AIcall whose phone system was lost and connects again."""

from __future__ import annotations

import asyncio
from uuid import UUID

from adapters.store.life.contract import Tenure
from models.errors import Conflict
from models.status import AicallStatus
from runtime.calls.leases import lease_end
from runtime.services import Services

_PATIENCE_S = 1.0
"""How long a phone system that connects again waits for whoever has the call to notice that it was lost, seconds."""
_LOOK_AGAIN_S = 0.1

_CONDUCTED = (AicallStatus.PROGRESSING, AicallStatus.PAUSING, AicallStatus.RESUMING)


async def reattach(services: Services, aicall_id: UUID, *, owner: str) -> Tenure:
    """Take an AIcall that is being conducted and has lost its phone system.

    A phone system may be back before the process that has the call has written down that it was gone.

    Args:
        services: The process.
        aicall_id: Which AIcall.
        owner: Id of this process, which becomes the AIcall's owner, or is it already.

    Raises:
        NotFound: There is none.
        Conflict: The AIcall is in use on another connection, or has ended, or the time for connecting again is over.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _PATIENCE_S
    store = services.store
    while True:
        local = services.live_calls.get(aicall_id)
        if local is not None and local.detached:
            await local.settled()
        tenure = await store.get_tenure(aicall_id)
        if tenure.aicall.status not in _CONDUCTED:
            raise Conflict(f"the AIcall is {tenure.aicall.status}; nobody can connect to it any more")
        if local is not None and tenure.owner != owner:
            # Another process had it meanwhile, so what this one still knows of it is out of date.
            local.taken()
            await local.wait_ended()
        now = services.clock()
        if tenure.tm_media is not None and tenure.tm_media > now:
            try:
                return await store.attach_aicall(
                    aicall_id, from_owner=tenure.owner, owner=owner, now=now, tm_lease=lease_end(services)
                )
            except Conflict:
                # Another connection was faster, or the time was over at this moment: the next look tells.
                continue
        if loop.time() >= until_s:
            raise Conflict("the AIcall is in use on another connection")
        await asyncio.sleep(_LOOK_AGAIN_S)
