"""Who may connect: everything that is checked before a media WebSocket is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from adapters.media.base import Handshake, MediaProtocol
from adapters.media.registry import choose
from adapters.store.base import GrantKind, MediaGrant
from models.ai import Ai
from models.aicall import Aicall, AicallWrite, AssistanceType, EndReason
from models.errors import Forbidden, NotFound, Unauthorized
from models.status import AicallStatus
from runtime.assistants import routed_grant
from runtime.auth_gate import gate_of
from runtime.calls.leases import lease_end
from runtime.calls.reattach import reattach
from runtime.calls.roster import Roster, load_roster
from runtime.ending import end_unattended
from runtime.services import Services
from runtime.tokens import hash_audiosocket_uuid, verify_token


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
        resource_id: ``{id}`` of the URL: an AIcall, an AI, a team or an AI assistant.
        token: ``{token}`` of the URL.
        owner: Id of this process, which becomes the AIcall's owner.

    Raises:
        NotFound: No such AIcall, AI or team.
        Unauthorized: The token is wrong, or what the phone system must show beside it is missing or wrong.
        Forbidden: The token has expired, or the AI assistant is inactive.
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
    _check_expiry(services, grant)
    name = None if protocol is None else protocol.name
    gate_of(services.settings).check_connection(handshake, name, services.clock().timestamp())
    return await admit_granted(services, grant, protocol, owner=owner)


async def find_audiosocket_grant(services: Services, uuid: UUID) -> MediaGrant:
    """Return what a UUID opens that an AudioSocket connection began with.

    Raises:
        NotFound: It opens nothing.
        Forbidden: It has expired.
    """
    grant = await services.store.find_grant_by_audiosocket(hash_audiosocket_uuid(uuid))
    if grant is None:
        # The UUID is a secret, so the error does not carry it.
        raise NotFound("aicall", "")
    _check_expiry(services, grant)
    return grant


def _check_expiry(services: Services, grant: MediaGrant) -> None:
    if services.clock() >= grant.tm_expire:
        raise Forbidden("the media token has expired")


async def admit_granted(
    services: Services, grant: MediaGrant, protocol: type[MediaProtocol] | None, *, owner: str
) -> Admitted:
    """Take the AIcall that a connection is for, or make it, once whoever connects has shown what it must.

    Args:
        services: The process.
        grant: What it may open.
        protocol: What it speaks, or None when the first message has to show it.
        owner: Id of this process, which becomes the AIcall's owner.

    Raises:
        NotFound: No such AIcall, AI or team.
        Conflict: The AIcall is in use on another connection, or has ended.
    """
    if grant.kind is GrantKind.AICALL:
        return await admit_aicall(services, grant.resource_id, protocol, owner=owner)
    aicall, ai, roster = await _new_aicall(services, grant)
    await services.store.create_aicall(aicall, owner=owner, tm_lease=lease_end(services))
    services.metrics.status_moved(aicall.status)
    return Admitted(aicall, ai, protocol, team=roster)


async def _new_aicall(services: Services, grant: MediaGrant) -> tuple[Aicall, Ai, Roster | None]:
    """Make the AIcall of a connection to the long-lived URL of an AI, a team or an AI assistant."""
    now, kind, resource_id = services.clock(), grant.kind, grant.resource_id
    if kind is GrantKind.ASSISTANT:
        kind, resource_id = await routed_grant(services, resource_id)
    if kind is GrantKind.TEAM:
        team = await services.store.get_team(resource_id, customer_id=None)
        roster = await load_roster(services, team)
        ai = roster.ai_of(team.start_member_id)
        body = AicallWrite(assistance_type=AssistanceType.TEAM, assistance_id=team.id)
        return Aicall.create(body, ai, id=uuid4(), now=now, team=team), ai, roster
    ai = await services.store.get_ai(resource_id, customer_id=None)
    return Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now), ai, None


async def admit_aicall(
    services: Services, aicall_id: UUID, protocol: type[MediaProtocol] | None, *, owner: str
) -> Admitted:
    """Take an AIcall, last of all: whatever failed after that would leave it to nobody.

    Args:
        services: The process.
        aicall_id: Which one.
        protocol: What its connection speaks, or None when the first message has to show it.
        owner: Id of this process, which becomes the AIcall's owner.

    Raises:
        NotFound: No such AIcall, or its AI was deleted.
        Conflict: It is in use on another connection, or has ended.
    """
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
