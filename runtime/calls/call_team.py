"""Makes the conversation of a team's call."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from models.ai import Ai
from models.aicall import Aicall
from models.errors import NotFound
from pipelines.conversation.conversation import Conversation
from pipelines.conversation.types import ConversationListener, Past, VoiceServices
from pipelines.media.output import MediaSink
from pipelines.team.handover import Handover
from pipelines.team.plan import CallMember, CallTeam, VoicePlan
from pipelines.tools.toolset import Toolset
from pipelines.voice_services import make_team_services, plan_voice
from runtime.calls.call_records import CallRecords
from runtime.calls.call_settings import conversation_settings
from runtime.calls.call_tools import CallToolHost
from runtime.calls.caller_leg import CallerLeg
from runtime.calls.roster import Roster
from runtime.knowledge import knowledge_of
from runtime.services import Services


def make_team_conversation(
    services: Services,
    roster: Roster,
    *,
    aicall: Aicall,
    records: CallRecords,
    listener: ConversationListener,
    line: MediaSink,
    variables: Mapping[str, str],
    past: Past | None,
    caller: CallerLeg | None = None,
) -> tuple[Conversation, VoiceServices]:
    """Make the conversation of a team, with the member that has the call; nothing of the others is made yet.

    Args:
        services: The process.
        roster: The team.
        aicall: The AIcall.
        records: Where to record what tools and transitions do.
        listener: Gets what happens.
        line: Where the bot's audio goes.
        variables: What is known of the call.
        past: What was said before; None for a conversation that begins.
        caller: The caller's leg; None where nothing is known of it.

    Raises:
        InvalidField: That member's AI names what cannot be used here.
        NotFound: Its AI was deleted.
        ProviderError: A vendor's client cannot be made.
    """
    current_id = roster.member_id(records.current_member_id)
    if not any(member.id == current_id for member in roster.present()):
        raise NotFound("ai", str(roster.team.member(current_id).ai_id))
    plans = {
        member.id: _plan(
            services,
            roster.aicall_of(aicall, member),
            roster.ais[member.ai_id],
            variables=variables,
            sample_rate_hz=line.sample_rate_hz,
        )
        for member in roster.present()
    }
    may_speculate = all(plan.may_speculate for plan in plans.values())
    host = CallToolHost(services, aicall, records, variables, caller=caller)
    hosts: dict[UUID, CallToolHost] = {}
    members: dict[UUID, CallMember] = {}
    for member in roster.present():
        own, ai = roster.aicall_of(aicall, member), roster.ais[member.ai_id]
        hosts[member.id] = host.beside(knowledge_of(services.store, services.knowledge, ai))
        members[member.id] = CallMember(
            id=member.id,
            name=member.name,
            plan=plans[member.id],
            settings=conversation_settings(
                services.settings,
                own,
                vad=own.ai_vad_config or ai.effective_vad,
                variables=variables,
                may_speculate=may_speculate,
                past=past,
            ),
            tools=Toolset(ai, own.options, hosts[member.id], records.tool_called),
            transitions=member.transitions,
        )
    handover = Handover(CallTeam(members, current_id), records.member_switched, records.tool_called)
    voice = make_team_services(plans[current_id], may_speculate=may_speculate)
    conversation = Conversation(
        voice,
        members[current_id].settings,
        handover.schemas(),
        sink=line,
        inference=services.inference,
        listener=listener,
        greetings=services.greetings,
        phrases=services.phrases,
        handover=handover,
    )
    conversation.keep(handover)
    conversation.sum_up(records.summed_up)
    for one in hosts.values():
        one.serve(conversation)
    return conversation, voice


def _plan(services: Services, own: Aicall, ai: Ai, *, variables: Mapping[str, str], sample_rate_hz: int) -> VoicePlan:
    return plan_voice(
        own,
        ai.secrets,
        init_prompt=ai.init_prompt,
        variables=variables,
        sample_rate_hz=sample_rate_hz,
        stop_secs=(own.ai_vad_config or ai.effective_vad).stop_secs,
        clients=services.clients,
        environ=services.environ,
        circuits=services.circuits,
    )
