"""Makes the conversation of a call: from its AI, for its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.ai import Ai
from models.aicall import Aicall
from models.message import Message, Role
from pipelines.context.restore import restore_context, restore_variables
from pipelines.conversation.conversation import Conversation
from pipelines.conversation.types import ConversationListener, Past, VoiceServices
from pipelines.media.output import MediaSink
from pipelines.tools.toolset import Toolset
from pipelines.voice_services import make_voice_services
from runtime.calls.call_records import CallRecords
from runtime.calls.call_settings import conversation_settings
from runtime.calls.call_team import make_team_conversation
from runtime.calls.call_tools import CallToolHost
from runtime.calls.caller_leg import CallerLeg
from runtime.calls.roster import Roster
from runtime.knowledge import knowledge_of
from runtime.services import Services

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Conversing:
    """What a conversation is made from.

    Attributes:
        aicall: The AIcall.
        ai: Its AI.
        records: Where to record what its tools do.
        listener: Gets what happens.
        line: Where the bot's audio goes.
        variables: What is known of the call.
        past: What was said before, oldest first; None for a conversation that begins.
        team: Its team; None for an AI alone.
        caller: The caller's leg; None where nothing is known of it.
    """

    aicall: Aicall
    ai: Ai
    records: CallRecords
    listener: ConversationListener
    line: MediaSink
    variables: Mapping[str, str]
    past: Sequence[Message] | None
    team: Roster | None = None
    caller: CallerLeg | None = None


class ConversationMaker(Protocol):
    """Makes conversations."""

    def __call__(self, services: Services, what: Conversing) -> tuple[Conversation, VoiceServices]:
        """Make one, which does not run yet, on services of its own."""


def make_conversation(services: Services, what: Conversing) -> tuple[Conversation, VoiceServices]:
    """Make a conversation.

    Raises:
        InvalidField: The AI names what cannot be used here.
        ProviderError: A vendor's client cannot be made.
    """
    aicall, ai = what.aicall, what.ai
    variables = dict(what.variables)
    if what.past is not None:
        variables.update(restore_variables(what.past))
    past = None if what.past is None else past_of(what.past)
    if what.team is not None:
        return make_team_conversation(
            services,
            what.team,
            aicall=aicall,
            records=what.records,
            listener=what.listener,
            line=what.line,
            variables=variables,
            past=past,
            caller=what.caller,
        )
    vad = aicall.ai_vad_config or ai.effective_vad
    voice = make_voice_services(
        aicall,
        ai.secrets,
        init_prompt=ai.init_prompt,
        variables=variables,
        sample_rate_hz=what.line.sample_rate_hz,
        stop_secs=vad.stop_secs,
        clients=services.clients,
        environ=services.environ,
        circuits=services.circuits,
    )
    knowledge = knowledge_of(services.store, services.knowledge, ai)
    host = CallToolHost(services, aicall, what.records, variables, knowledge, caller=what.caller)
    tools = Toolset(ai, aicall.options, host, what.records.tool_called)
    conversation = Conversation(
        voice,
        conversation_settings(
            services.settings,
            aicall,
            vad=vad,
            variables=variables,
            may_speculate=voice.may_speculate,
            past=past,
        ),
        tools.schemas(),
        sink=what.line,
        inference=services.inference,
        listener=what.listener,
        greetings=services.greetings,
        phrases=services.phrases,
    )
    conversation.keep(tools)
    conversation.sum_up(what.records.summed_up)
    host.serve(conversation)
    return conversation, voice


async def stored_past(services: Services, aicall: Aicall) -> list[Message]:
    """Return all messages of an AIcall, oldest first."""
    found: list[Message] = []
    token = ""
    while True:
        page = await services.store.list_messages(aicall.id, customer_id=None, page_size=_PAGE, page_token=token)
        found.extend(page.items)
        token = page.next_page_token
        if not token:
            return found[::-1]


def past_of(messages: Sequence[Message]) -> Past:
    """Say what a conversation goes on from, by its stored messages, oldest first."""
    said = [message for message in messages if message.role in {Role.USER, Role.ASSISTANT, Role.TOOL}]
    last = said[-1] if said else None
    bots = last is not None and last.role is Role.ASSISTANT and not last.tool_calls
    return Past(
        restore_context(messages),
        cut_off=last is None or (bots and last.interrupted),
        owed=last is not None and not bots,
    )
