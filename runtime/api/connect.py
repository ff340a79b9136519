"""``POST /v1.0/aicalls/{id}/connect``: dialling a phone system that waits for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from adapters.media.audiosocket import AudioSocketProtocol
from adapters.media.registry import by_name
from models.aicall import Aicall, ReferenceType
from models.errors import Conflict, InvalidField
from models.status import AicallStatus
from runtime.api.aicalls import AicallId
from runtime.api.auth import CustomerId
from runtime.api.bodies import StrictRoute
from runtime.calls.dial_out import Destination, check_url, dial_out
from runtime.services import CurrentServices

router = APIRouter(prefix="/aicalls", tags=["AIcalls"], route_class=StrictRoute)

_MOST_URL_CHARACTERS = 2_048
_MOST_CHARACTERS = 1_024
_OVER = frozenset({AicallStatus.TERMINATING, AicallStatus.TERMINATED})

Known = Annotated[str, Field(max_length=_MOST_CHARACTERS)]


class MediaConnect(BaseModel):
    """Body of ``POST /v1.0/aicalls/{id}/connect``.

    Attributes:
        url: Media WebSocket to connect to, ``wss://…``; ``ws://…`` where the operator allows private endpoints.
        protocol: Media protocol that is spoken there.
        session: The phone system's id of the session, for the tools.
        from_: Caller, for the tools.
        to: Called number, for the tools.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    url: Annotated[str, Field(min_length=1, max_length=_MOST_URL_CHARACTERS)]
    protocol: str = "asterisk"
    session: Known = ""
    from_: Annotated[Known, Field(alias="from")] = ""
    to: Known = ""


@router.post("/{id}/connect", status_code=202, response_model=Aicall)
async def connect_aicall(
    aicall_id: AicallId, body: MediaConnect, customer_id: CustomerId, services: CurrentServices
) -> JSONResponse:
    """Connect an AIcall to a media WebSocket at which a phone system waits; answer when it has taken the connection.

    For Asterisk's ``Dial(WebSocket/INCOMING)`` and ARI's external media with ``connection_type=server``. Other phone
    systems connect to ``media_url`` themselves.
    """
    aicall = await services.store.get_aicall(aicall_id, customer_id=customer_id)
    protocol = by_name(body.protocol)
    if protocol is AudioSocketProtocol:
        raise InvalidField("protocol", "is not spoken on WebSockets")
    url = check_url(services, "url", body.url)
    if aicall.reference_type is not ReferenceType.CALL:
        raise Conflict("the AIcall is no phone call")
    if aicall.status in _OVER:
        raise Conflict("the AIcall has ended")
    await dial_out(services, aicall.id, Destination(url, protocol, body.session, body.from_, body.to))
    return JSONResponse((await services.store.get_aicall(aicall_id, customer_id=customer_id)).public(), 202)
