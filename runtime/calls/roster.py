"""The team of a call with its members' AIs, as they were when the call began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from models.ai import Ai
from models.aicall import Aicall
from models.errors import NotFound
from models.team import Member, Team
from runtime.services import Services

_AI_ONLY = frozenset({"fallback", "tools", "mcp_servers"})
"""Keys of ``parameter`` that hold secrets of an AI's own, or belong to them."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A team and its AIs.

    Attributes:
        team: The team.
        ais: The AIs by their ids; one that was deleted is not there.
    """

    team: Team
    ais: Mapping[UUID, Ai]

    def member_id(self, member_id: UUID) -> UUID:
        """Return a member's id if it is still in the team, else the start member's."""
        known = any(member.id == member_id for member in self.team.members)
        return member_id if known else self.team.start_member_id

    def ai_of(self, member_id: UUID) -> Ai:
        """Return a member's AI.

        Raises:
            NotFound: It was deleted.
        """
        ai_id = self.team.member(member_id).ai_id
        if ai_id not in self.ais:
            raise NotFound("ai", str(ai_id))
        return self.ais[ai_id]

    def present(self) -> list[Member]:
        """Return the members whose AI is there."""
        return [member for member in self.team.members if member.ai_id in self.ais]

    def aicall_of(self, aicall: Aicall, member: Member) -> Aicall:
        """Return what the call runs with while a member has it.

        The ``ai_*`` fields of an AIcall are the start member's. What the AIcall's own ``parameter`` changes, it changes
        for every member.

        Args:
            aicall: The AIcall.
            member: A member whose AI is there.
        """
        if member.id == self.team.start_member_id:
            return aicall
        ai = self.ais[member.ai_id]
        return aicall.model_copy(
            update={
                "ai_engine_model": ai.engine_model,
                "ai_tts_type": ai.tts_type.value,
                "ai_tts_voice_id": ai.tts_voice_id,
                "ai_stt_type": ai.stt_type.value,
                "ai_vad_config": ai.effective_vad,
                "ai_smart_turn_enabled": ai.smart_turn_enabled,
                "stt_language": ai.stt_language or aicall.stt_language,
                "parameter": {**ai.parameter, **self.team.parameter, **self._changed(aicall)},
            }
        )

    def _changed(self, aicall: Aicall) -> dict[str, Any]:
        start = self.ais.get(self.team.start_member.ai_id)
        if start is None:
            return {}
        before = start.parameter
        return {
            name: value
            for name, value in aicall.parameter.items()
            if name not in _AI_ONLY and (name not in before or before[name] != value)
        }


async def load_roster(services: Services, team: Team) -> Roster:
    """Load a team's AIs, and what they need.

    Args:
        services: The process.
        team: The team.
    """
    ais: dict[UUID, Ai] = {}
    for ai_id in dict.fromkeys(member.ai_id for member in team.members):
        try:
            ais[ai_id] = await services.store.get_ai(ai_id, customer_id=team.customer_id)
        except NotFound:
            continue
    await services.preloader.ensure(frozenset().union(*(ai.providers for ai in ais.values())))
    return Roster(team, ais)
