"""How many calls a customer may have at the same time: checked inside the transaction that makes one more."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from adapters.store.customers.tables import customers
from adapters.store.tables import aicalls
from models.aicall import Aicall, ReferenceType
from models.errors import LimitReached, NotFound
from models.status import AicallStatus, is_final
from models.timestamps import NOT_YET

RETRY_AFTER_S = 5.0
"""When whoever was refused may try again, seconds: calls end every few seconds where there are enough for a limit."""

_ALIVE = [status for status in AicallStatus if not is_final(status)]


def check_call_limit(connection: Connection, aicall: Aicall) -> None:
    """Do nothing while the AIcall's customer may have one more.

    Writers of a store take turns, so nobody else adds one between this and the end of the transaction. Only phone calls
    are limited: conversations and tasks hold no line.

    Raises:
        NotFound: The customer is deleted.
        LimitReached: It has as many as it may have.
    """
    columns = select(customers.c.max_calls, customers.c.tm_delete).where(customers.c.id == aicall.customer_id)
    limits = connection.execute(columns).one_or_none()
    if limits is None:
        return
    if limits.tm_delete != NOT_YET:
        raise NotFound("customer", str(aicall.customer_id))
    if aicall.reference_type is not ReferenceType.CALL or not limits.max_calls:
        return
    running = select(func.count()).where(
        aicalls.c.customer_id == aicall.customer_id,
        aicalls.c.status.in_(_ALIVE),
        aicalls.c.reference_type == ReferenceType.CALL,
        aicalls.c.tm_delete == NOT_YET,
    )
    if connection.execute(running).scalar_one() >= limits.max_calls:
        raise LimitReached("this customer has as many calls as it may have", RETRY_AFTER_S)
