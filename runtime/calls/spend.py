"""How much a call may cost: what its customer's limit and prices say."""

from __future__ import annotations

from uuid import UUID

from loguru import logger

from models.errors import NotFound, Unavailable
from pipelines.meter import Meter
from runtime.services import Services


async def load_usage(services: Services, aicall_id: UUID, meter: Meter) -> None:
    """Let a meter go on from what another process, or this one at another time, recorded of the AIcall.

    Raises:
        Unavailable: The store does not answer.
    """
    meter.usage = await services.store.last_usage(aicall_id)


async def set_limit(services: Services, customer_id: UUID, meter: Meter) -> None:
    """Give a meter its customer's prices and limit, as they are now.

    A call goes on without them where the store does not tell: a limit is no reason to lose a caller.
    """
    try:
        customer = await services.store.get_customer(customer_id)
    except (NotFound, Unavailable) as error:
        logger.warning("a call of customer {} is not limited in what it costs: {}", customer_id, error.message)
        return
    meter.prices, meter.limit = customer.prices, customer.max_spend
