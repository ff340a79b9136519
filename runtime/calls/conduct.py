"""Conducting a call over one connection, from its admission to the connection's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from uuid import UUID

from adapters.media.base import Handshake
from models.errors import AicallError
from runtime.calls.admission import Admitted, admit
from runtime.calls.attachment import Attachment
from runtime.calls.call_conversation import ConversationMaker, make_conversation
from runtime.calls.call_socket import Socket
from runtime.calls.call_worker import CallWorker
from runtime.services import Services

Admit = Callable[[], Awaitable[Admitted]]
"""Checks a connection and takes the AIcall that it is for."""


async def conduct(
    services: Services,
    socket: Socket,
    handshake: Handshake,
    resource_id: str,
    token: str,
    *,
    make: ConversationMaker = make_conversation,
) -> None:
    """Admit a connection and conduct its call; returns when the connection is of no more use.

    Args:
        services: The process.
        socket: The WebSocket, not yet accepted.
        handshake: The upgrade request.
        resource_id: ``{id}`` of the URL.
        token: ``{token}`` of the URL.
        make: Makes the call's conversation.

    Raises:
        AicallError: It may not connect, and was not accepted.
    """

    async def admit_by_token() -> Admitted:
        return await admit(services, handshake, resource_id, token, owner=services.live_calls.owner)

    await conduct_admitted(services, socket, handshake, resource_id, admit_by_token, make=make)


async def conduct_admitted(
    services: Services,
    socket: Socket,
    handshake: Handshake,
    resource_id: str,
    admit_it: Admit,
    *,
    make: ConversationMaker = make_conversation,
) -> None:
    """Conduct a connection's call as `conduct` does, for one that is let in by something else than a URL's token.

    Args:
        services: The process.
        socket: The connection, not yet accepted.
        handshake: The upgrade request, or what there is in its place.
        resource_id: Id of the AIcall, AI or team that it is for.
        admit_it: Lets it in, or raises.
        make: Makes the call's conversation.

    Raises:
        AicallError: It may not connect, and was not accepted.
    """
    with ExitStack() as held:
        # First of all, and without waiting for anything: who has no place costs no more than the answer. A call that
        # waits for its phone system has its place already, in a process that drains too.
        if not _waits_here(services, resource_id):
            held.enter_context(services.capacity.place())
            services.live_calls.reserve()
            held.callback(services.live_calls.release)
        try:
            admitted = await admit_it()
        except AicallError as error:
            services.metrics.connection_refused(error)
            raise
        aicall_id = admitted.aicall.id
        attachment = Attachment(handshake, admitted.protocol, socket, services.settings.start_timeout_s)
        call = services.live_calls.get(aicall_id)
        if call is not None:
            await call.attach(attachment)
            return
        worker = CallWorker(services, admitted, attachment, make)
        services.live_calls.add(aicall_id, worker)
        try:
            await worker.run()
        finally:
            services.live_calls.remove(aicall_id, worker)


def _waits_here(services: Services, resource_id: str) -> bool:
    try:
        call = services.live_calls.get(UUID(resource_id))
    except ValueError:
        return False
    return call is not None and call.detached
