"""``/ws/{id}/{token}``: where phone systems connect (design section 2, "Media").

``/ws/{id}/{token}/{protocol}`` is the same with ``protocol=``, for those that drop the query of a URL (Twilio).
"""

from __future__ import annotations

from fastapi import APIRouter, WebSocket
from loguru import logger
from starlette.websockets import WebSocketDisconnect

from adapters.media.base import Handshake
from models.errors import AicallError
from runtime.api.problem import problem_of
from runtime.calls.conduct import conduct
from runtime.public_url import dialled_url
from runtime.services import Services, services_of

router = APIRouter()


@router.websocket("/ws/{resource_id}/{token}")
@router.websocket("/ws/{resource_id}/{token}/{protocol}")
async def media_socket(socket: WebSocket, resource_id: str, token: str, protocol: str = "") -> None:
    """Conduct one call. What may not connect is refused with a problem document before the upgrade."""
    services = services_of(socket)
    try:
        await conduct(services, socket, _handshake(services, socket, protocol), resource_id, token)
    except AicallError as error:
        await _refuse(socket, error)


def _handshake(services: Services, socket: WebSocket, protocol: str) -> Handshake:
    return Handshake(
        url=dialled_url(socket, services.settings),
        path=socket.url.path,
        query={**socket.query_params, **({"protocol": protocol} if protocol else {})},
        headers={name.lower(): value for name, value in socket.headers.items()},
        subprotocols=tuple(socket.scope.get("subprotocols", ())),
    )


async def _refuse(socket: WebSocket, error: AicallError) -> None:
    logger.info("media connection refused: {}", error.message)
    try:
        await socket.send_denial_response(problem_of(error, socket.url.path))
    except (OSError, RuntimeError, WebSocketDisconnect):
        logger.debug("whoever was refused did not wait for it")
