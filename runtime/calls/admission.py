"""Who may connect: everything that is checked before a media WebSocket is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from adapters.media.base import Handshake, MediaProtocol
from adapters.media.registry import choose
from adapters.media.twilio import TwilioProtocol
from adapters.media.twilio_signature import verify
from adapters.store.base import GrantKind
from models.ai import Ai
from models.aicall import Aicall, AicallWrite, EndReason
from models.errors import Forbidden, NotFound, Unauthorized
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.tokens import verify_token

_SIGNATURE = "x-twilio-signature"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection that may be accepted.

    Attributes:
        aicall: The AIcall that it conducts; this process owns it now.
        ai: Its AI.
        protocol: Its protocol, or None when the first message has to show it.
    """

    aicall: Aicall
    ai: Ai
    protocol: type[MediaProtocol] | None


async def admit(services: Services, handshake: Handshake, resource_id: str, token: str, *, owner: str) -> Admitted:
    """Check a handshake and take the AIcall that it is for.

    Args:
        services: The process.
        handshake: The upgrade request.
        resource_id: ``{id}`` of the URL: an AIcall or an AI.
        token: ``{token}`` of the URL.
        owner: Id of this process, which becomes the AIcall's owner.

    Raises:
        NotFound: No such AIcall or AI.
        Unauthorized: The token or the signature is wrong.
        Forbidden: The token has expired.
        Conflict: The AIcall is in use on another connection, or has ended.
        InvalidField: ``protocol=`` names none.
    """
    protocol = choose(handshake, forced=handshake.query.get("protocol"))
    try:
        grant = await services.store.get_grant(UUID(resource_id))
    except ValueError:
        grant = None
    if grant is None:
        raise NotFound("aicall", resource_id)
    if not verify_token(token, grant.token_sha256):
        raise Unauthorized("the media token is wrong")
    if services.clock() >= grant.tm_expire:
        raise Forbidden("the media token has expired")
    _check_signature(services, handshake, protocol)
    if grant.kind is GrantKind.AICALL:
        aicall, ai = await _claim(services, grant.resource_id, owner)
    else:
        ai = await services.store.get_ai(grant.resource_id, customer_id=None)
        aicall = Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=services.clock())
        await services.store.create_aicall(aicall, owner=owner)
        services.metrics.status_moved(aicall.status)
    return Admitted(aicall, ai, protocol)


async def _claim(services: Services, aicall_id: UUID, owner: str) -> tuple[Aicall, Ai]:
    """Take the AIcall last of all: whatever failed after that would leave it to nobody."""
    found = await services.store.get_aicall(aicall_id, customer_id=None)
    try:
        ai = await services.store.get_ai(found.assistance_id, customer_id=found.customer_id)
    except NotFound:
        # Only an AIcall that nobody runs is ended; one that runs has its AI already.
        await services.store.claim_aicall(aicall_id, owner=owner)
        await end_unattended(services, aicall_id, EndReason.INTERNAL_ERROR)
        raise
    return await services.store.claim_aicall(aicall_id, owner=owner), ai


def _check_signature(services: Services, handshake: Handshake, protocol: type[MediaProtocol] | None) -> None:
    secret = services.settings.twilio_auth_token.get_secret_value()
    if not secret:
        return
    signature = handshake.headers.get(_SIGNATURE)
    if signature is not None:
        if not verify(secret, handshake.url, signature):
            raise Unauthorized("the X-Twilio-Signature does not fit this URL")
    elif protocol is None or protocol is TwilioProtocol:
        # One that does not say what it speaks may turn out to be Twilio's, and then it would be accepted already.
        raise Unauthorized("the X-Twilio-Signature is missing, and no other protocol is named")
