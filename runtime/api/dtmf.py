"""``POST /v1.0/aicalls/{id}/dtmf``: pressing keys towards the other side of a call, such as a menu that answers it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from models.aicall import Aicall
from runtime.api.aicalls import AicallId
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.calls.control import send_dtmf
from runtime.services import CurrentServices

router = APIRouter(prefix="/aicalls", tags=["AIcalls"], route_class=StrictRoute)


class Keys(BaseModel):
    """Body of ``POST /v1.0/aicalls/{id}/dtmf``.

    Attributes:
        digits: Keys to press, ``0-9 * # A-D``; ``w`` is half a second of pause where the phone system knows one.
    """

    model_config = ConfigDict(extra="forbid")

    digits: Annotated[str, Field(pattern=r"^[0-9A-D*#w]{1,64}$")]


@router.post("/{id}/dtmf", response_model=Aicall)
async def press_keys(
    aicall_id: AicallId, body: Keys, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Press keys and answer when the phone system has them.

    Only a call in progress can be asked (409), in the process that runs it, and only where the media protocol or the
    phone system's own interface sends digits.
    """
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    await send_dtmf(services, aicall, body.digits)
    return JSONResponse(aicall.public())
