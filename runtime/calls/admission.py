"""Who may connect: everything that is checked before a media WebSocket is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from adapters.media.base import Handshake, MediaProtocol
from adapters.media.registry import choose
from adapters.media.twilio import TwilioProtocol
from adapters.media.twilio_signature import verify
from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai
from models.aicall import Aicall, AicallWrite, AssistanceType, EndReason
from models.errors import Forbidden, NotFound, Unauthorized
from models.status import AicallStatus
from runtime.calls.leases import lease_end
from runtime.calls.reattach import reattach
from runtime.calls.roster import Roster, load_roster
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.tokens import verify_token

_SIGNATURE = "x-twilio-signature"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection that may be accepted.

    Attributes:
        aicall: The AIcall that it conducts; this process owns it now.
        ai: Its AI; of a team, that of the member that has the call.
        protocol: Its protocol, or None when the first message has to show it.
        held: Whether the AIcall is on hold, of one whose phone system connects again.
        team: Its team; None for an AI alone.
    """

    aicall: Aicall
    ai: Ai
    protocol: type[MediaProtocol] | None
    held: bool = False
    team: Roster | None = None


async def admit(services: Services, handshake: Handshake, resource_id: str, token: str, *, owner: str) -> Admitted:
    """Check a handshake and take the AIcall that it is for.

    Args:
        services: The process.
        handshake: The upgrade request.
        resource_id: ``{id}`` of the URL: an AIcall, an AI or a team.
        token: ``{token}`` of the URL.
        owner: Id of this process, which becomes the AIcall's owner.

    Raises:
        NotFound: No such AIcall, AI or team.
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
        return await _claim(services, grant.resource_id, owner, protocol)
    aicall, ai, roster = await _new_aicall(services, grant)
    await services.store.create_aicall(aicall, owner=owner, tm_lease=lease_end(services))
    services.metrics.status_moved(aicall.status)
    return Admitted(aicall, ai, protocol, team=roster)


async def _new_aicall(services: Services, grant: MediaGrant) -> tuple[Aicall, Ai, Roster | None]:
    """Make the AIcall of a connection to an AI's or a team's long-lived URL."""
    now = services.clock()
    if grant.kind is GrantKind.TEAM:
        team = await services.store.get_team(grant.resource_id, customer_id=None)
        roster = await load_roster(services, team)
        ai = roster.ai_of(team.start_member_id)
        body = AicallWrite(assistance_type=AssistanceType.TEAM, assistance_id=team.id)
        return Aicall.create(body, ai, id=uuid4(), now=now, team=team), ai, roster
    ai = await services.store.get_ai(grant.resource_id, customer_id=None)
    return Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now), ai, None


async def _claim(services: Services, aicall_id: UUID, owner: str, protocol: type[MediaProtocol] | None) -> Admitted:
    """Take the AIcall last of all: whatever failed after that would leave it to nobody."""
    store = services.store
    found = await store.get_aicall(aicall_id, customer_id=None)
    try:
        ai, roster = await _assistance(services, found)
    except NotFound:
        # Only an AIcall that nobody runs is ended; one that runs has its AI already.
        await store.claim_aicall(aicall_id, owner=owner, tm_lease=lease_end(services))
        await end_unattended(services, aicall_id, EndReason.INTERNAL_ERROR)
        raise
    if found.status is AicallStatus.INITIATING:
        claimed = await store.claim_aicall(aicall_id, owner=owner, tm_lease=lease_end(services))
        return Admitted(claimed, ai, protocol, team=roster)
    tenure = await reattach(services, aicall_id, owner=owner)
    return Admitted(tenure.aicall, ai, protocol, held=tenure.held, team=roster)


async def _assistance(services: Services, aicall: Aicall) -> tuple[Ai, Roster | None]:
    """Return the AI that has an AIcall, and its team."""
    store = services.store
    if aicall.assistance_type is AssistanceType.AI:
        return await store.get_ai(aicall.assistance_id, customer_id=aicall.customer_id), None
    team = await store.get_team(aicall.assistance_id, customer_id=aicall.customer_id)
    roster = await load_roster(services, team)
    return roster.ai_of(roster.member_id(aicall.current_member_id)), roster


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
