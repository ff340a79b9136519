"""The AIcall: one conversation of one AI or team with one caller (seed 001)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.ai import SECRET_PARAMETERS, Ai, NilUuid
from models.ids import NIL_ID
from models.options import CallOptions, Language, check_parameter, field_error, named_providers
from models.status import AicallStatus, transition
from models.team import Team
from models.timestamps import NOT_YET, Timestamp
from models.vad import EffectiveVad


class AssistanceType(StrEnum):
    """What conducts the AIcall (seed 001, "Assistance Type")."""

    AI = "ai"
    TEAM = "team"


class ReferenceType(StrEnum):
    """What the AIcall is attached to (seed 001, "Reference Type")."""

    CALL = "call"
    CONVERSATION = "conversation"
    TASK = "task"


class EndReason(StrEnum):
    """Why an AIcall ended. Not a seed field: written beside them, for orchestrators."""

    NONE = ""
    """It has not ended."""
    HANGUP = "hangup"
    """The phone system ended the stream or closed the socket."""
    TERMINATE = "terminate"
    """``POST /terminate``, or the AIcall was deleted."""
    STOP_SERVICE = "stop_service"
    """The model ended it by its tool."""
    CONNECT_CALL = "connect_call"
    """The model had the caller connected to somebody else."""
    STOP_FLOW = "stop_flow"
    """The model ended the whole flow."""
    MAX_DURATION = "max_duration"
    IDLE = "idle"
    """The caller stayed silent."""
    MAX_SPEND = "max_spend"
    """It cost as much as one call of its customer may."""
    EXPIRED = "expired"
    """No media connection came in time."""
    DRAIN = "drain"
    """The process was told to stop."""
    NO_PROGRESS = "no_progress"
    """The model of a task talked on and on without doing anything."""
    MEDIA_ERROR = "media_error"
    """The phone system broke its protocol, or the socket went silent."""
    PROVIDER_ERROR = "provider_error"
    """A speech or language vendor failed for good."""
    WORKER_LOST = "worker_lost"
    """The process that ran it died, and its phone system did not connect again."""
    INTERNAL_ERROR = "internal_error"

    @property
    def normal(self) -> bool:
        """Whether this is an end that nobody needs to look into."""
        return self not in {
            EndReason.NONE,
            EndReason.EXPIRED,
            EndReason.NO_PROGRESS,
            EndReason.MEDIA_ERROR,
            EndReason.PROVIDER_ERROR,
            EndReason.WORKER_LOST,
            EndReason.INTERNAL_ERROR,
        }


class AicallWrite(BaseModel):
    """Body of ``POST /v1.0/aicalls``.

    Attributes:
        parameter: Merged over the AI's own, key by key.
        stt_language: Overrides the AI's own when not empty.
    """

    # A rejected body may hold keys, which the text of pydantic's error would show.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    assistance_type: AssistanceType = AssistanceType.AI
    assistance_id: UUID
    reference_type: ReferenceType = ReferenceType.CALL
    reference_id: NilUuid = NIL_ID
    activeflow_id: NilUuid = NIL_ID
    confbridge_id: NilUuid = NIL_ID
    parameter: dict[str, Any] = Field(default_factory=dict)
    stt_language: Language = ""

    @field_validator("parameter")
    @classmethod
    def _check_parameter(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in (*SECRET_PARAMETERS, "fallback", "tools", "mcp_servers"):
            if key in value:
                raise field_error(f"parameter.{key}", "belongs to the AI, not to the AIcall")
        return check_parameter(value)


class Aicall(BaseModel):
    """A stored AIcall. The ``ai_*`` fields are copies that later changes of the AI do not touch.

    ``ai_vad_config`` holds the effective values: what the call really runs with.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    assistance_type: AssistanceType = AssistanceType.AI
    assistance_id: UUID
    ai_engine_model: str
    ai_tts_type: str
    ai_tts_voice_id: str
    ai_stt_type: str
    ai_vad_config: EffectiveVad | None
    ai_smart_turn_enabled: bool
    parameter: dict[str, Any] = Field(default_factory=dict)
    activeflow_id: NilUuid = NIL_ID
    reference_type: ReferenceType = ReferenceType.CALL
    reference_id: NilUuid = NIL_ID
    confbridge_id: NilUuid = NIL_ID
    current_member_id: NilUuid = NIL_ID
    status: AicallStatus = AicallStatus.INITIATING
    stt_language: str = ""
    end_reason: Annotated[EndReason, Field(description="Why the AIcall ended; empty while it has not.")] = (
        EndReason.NONE
    )
    tm_end: Timestamp = NOT_YET
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(cls, body: AicallWrite, ai: Ai, *, id: UUID, now: datetime, team: Team | None = None) -> Self:  # noqa: A002
        """Make a new AIcall of an AI, with copies of everything the call runs with.

        Args:
            body: What was asked for.
            ai: The AI; of a team, the start member's.
            id: The AIcall's id.
            now: The moment.
            team: The team, whose ``parameter`` is laid over the AI's own; None for an AI alone.
        """
        return cls(
            **body.model_dump(exclude={"parameter", "stt_language"}),
            id=id,
            customer_id=ai.customer_id,
            current_member_id=NIL_ID if team is None else team.start_member_id,
            ai_engine_model=ai.engine_model,
            ai_tts_type=ai.tts_type,
            ai_tts_voice_id=ai.tts_voice_id,
            ai_stt_type=ai.stt_type,
            ai_vad_config=ai.effective_vad,
            ai_smart_turn_enabled=ai.smart_turn_enabled,
            parameter={**ai.parameter, **({} if team is None else team.parameter), **body.parameter},
            stt_language=body.stt_language or ai.stt_language,
            tm_create=now,
        )

    def moved(self, target: AicallStatus, *, now: datetime, end_reason: EndReason = EndReason.NONE) -> Self:
        """Return this AIcall after one status move.

        Args:
            target: The status to move to.
            now: The moment of the move; becomes ``tm_update`` and, on the final move, ``tm_end``.
            end_reason: Why the AIcall ends; kept once set.

        Raises:
            IllegalTransition: The table does not list the move.
        """
        changes: dict[str, Any] = {"status": transition(self.status, target), "tm_update": now}
        if end_reason and not self.end_reason:
            changes["end_reason"] = end_reason
        if target is AicallStatus.TERMINATED:
            changes["tm_end"] = now
        return self.model_copy(update=changes)

    @property
    def providers(self) -> frozenset[tuple[str, str]]:
        """Every vendor that the call may need, as seat and name."""
        return named_providers(self.ai_engine_model, self.ai_stt_type, self.ai_tts_type, self.options)

    @property
    def options(self) -> CallOptions:
        """What the runtime reads from ``parameter``."""
        return CallOptions.model_validate(self.parameter)

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API and the events carry."""
        return self.model_dump(mode="json")
