"""Where a phone system is sent when it routes a call to an AI assistant: the call's document (pbx facts A5).

Nobody hears a status code, so whatever hinders a call is a sentence in the document, and then the end of the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from loguru import logger
from starlette.requests import HTTPConnection

from adapters.assistants.cxml import connect_stream, dial_service, say_and_hang_up
from adapters.assistants.url_template import build_url
from adapters.store.base import GrantKind
from models.ai import Ai
from models.aicall import Aicall, AicallWrite, AssistanceType
from models.assistant import AiAssistant
from models.assistant_providers import AICALL
from models.errors import Forbidden, InvalidField, LimitReached, NotFound, Unavailable
from models.team import Team
from runtime.calls.new_call import create_call
from runtime.public_url import media_base, media_url
from runtime.services import Services

NOT_FOUND: Final = "AI Agent not found"
NO_PROVIDER: Final = "AI Assistant provider not configured"
NO_NUMBER: Final = "AI Agent provider or phone number not configured"
BAD_CONFIGURATION: Final = "Invalid AI Assistant provider configuration"
BAD_ASSISTANT: Final = "AI Assistant configuration error"
BUSY: Final = "All AI Agents are busy, please call again later"

_OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """A call that a phone system routes to an assistant.

    Attributes:
        session: The phone system's id of it.
        from_: Who calls, as the phone system has it; '' where it does not say.
        to: Who is called.
        direction: Which way it goes: ``inbound``, ``outbound…``, ``subscriber``, ``application``, or ''.
        action: What the phone system shall ask afterwards; '' for nothing.
    """

    session: str
    from_: str = ""
    to: str = ""
    direction: str = ""
    action: str = ""

    def told(self) -> dict[str, str]:
        """Return ``session``, ``from`` and ``to`` for the assistant, to which ``from`` is the person on the line.

        An auto dialler calls that person itself, so its two numbers change places.
        """
        ends = (self.from_, self.to)
        person, number = reversed(ends) if self.direction.lower().startswith(_OUTBOUND) else ends
        return {"session": self.session, "from": person, "to": number}


async def document_for(
    services: Services, connection: HTTPConnection, assistant_id: int, customer_id: UUID, call: RoutedCall
) -> str:
    """Return the CXML document for a call, after making its AIcall where the assistant is this runtime's.

    Args:
        services: The process.
        connection: The request, under whose host this server is reached.
        assistant_id: Which assistant.
        customer_id: Whose.
        call: The call.

    Raises:
        Unavailable: The store does not answer, so another server may.
        InvalidField: ``call.action`` is no URL.
    """
    try:
        assistant = await services.store.get_assistant(assistant_id, customer_id=customer_id)
    except NotFound:
        return say_and_hang_up(NOT_FOUND)
    if not assistant.is_active():
        return say_and_hang_up(NOT_FOUND)
    definition = assistant.provider_definition()
    if definition is None:
        return say_and_hang_up(NO_PROVIDER)
    if assistant.is_sip():
        number = assistant.configuration.get("phone_number")
        if not number:
            return say_and_hang_up(NO_NUMBER)
        return dial_service(assistant.provider, number, action=call.action)
    if definition is AICALL:
        return await _own_document(services, connection, assistant, call)
    try:
        url = build_url(definition.url_template or "", assistant.revealed(), call.told())
    except InvalidField as error:
        logger.warning("AI assistant {} makes no URL: {}", assistant.id, error.message)
        return say_and_hang_up(BAD_CONFIGURATION)
    return connect_stream(url, action=call.action)


async def assistance_of(services: Services, assistant: AiAssistant) -> tuple[AicallWrite, Ai, Team | None]:
    """Return who answers the calls of an assistant of this runtime.

    Returns:
        What an AIcall is made of: its body, its AI, and its team.

    Raises:
        NotFound: The AI or the team is gone, or the assistant is not this runtime's.
    """
    wanted = assistant.configuration.get("assistance_id")
    if assistant.provider_definition() is not AICALL or wanted is None:
        raise NotFound("ai", str(wanted))
    store, customer_id = services.store, assistant.organization_id
    kind = AssistanceType(assistant.configuration.get("assistance_type", AssistanceType.AI))
    body = AicallWrite(assistance_type=kind, assistance_id=UUID(wanted))
    if kind is AssistanceType.AI:
        return body, await store.get_ai(body.assistance_id, customer_id=customer_id), None
    team = await store.get_team(body.assistance_id, customer_id=customer_id)
    return body, await store.get_ai(team.start_member.ai_id, customer_id=customer_id), team


async def routed_grant(services: Services, media_id: UUID) -> tuple[GrantKind, UUID]:
    """Return what the long-lived media URL of an assistant opens: its AI or its team.

    Raises:
        NotFound: There is no such assistant, or it is not this runtime's any more.
        Forbidden: It is inactive.
    """
    assistant = await services.store.find_assistant(media_id)
    if assistant is None:
        raise NotFound("AI assistant", str(media_id))
    if not assistant.is_active():
        raise Forbidden("the AI assistant is inactive")
    _, ai, team = await assistance_of(services, assistant)
    return (GrantKind.AI, ai.id) if team is None else (GrantKind.TEAM, team.id)


async def _own_document(
    services: Services, connection: HTTPConnection, assistant: AiAssistant, call: RoutedCall
) -> str:
    if not media_base(connection, services.settings).startswith("wss://"):
        logger.warning("a phone system streams to wss:// only; set public_url to an https:// URL")
        return say_and_hang_up(BAD_ASSISTANT)
    try:
        body, ai, team = await assistance_of(services, assistant)
    except NotFound:
        return say_and_hang_up(BAD_ASSISTANT)
    aicall = Aicall.create(body, ai, id=uuid4(), now=services.clock(), team=team)
    try:
        services.capacity.check()
    except Unavailable:
        return say_and_hang_up(BUSY)
    try:
        token = await create_call(services, aicall)
    except LimitReached:
        return say_and_hang_up(BUSY)
    url = media_url(connection, services.settings, aicall.id, token)
    return connect_stream(f"{url}?{urlencode(call.told())}", action=call.action)
