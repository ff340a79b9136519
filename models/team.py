"""The team: AIs that share one call and hand it over to each other."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.ai import READ_ONLY, SECRET_PARAMETERS
from models.ids import NIL_ID
from models.options import check_parameter, field_error
from models.timestamps import NOT_YET, Timestamp
from models.tools import TOOLS

MOST_MEMBERS = 50
"""How many members a team may have."""
MOST_TRANSITIONS = 50
"""How many transitions a member may have; vendors refuse much longer lists of functions."""

FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
"""What every vendor takes as the name of a function."""


class Transition(BaseModel):
    """A way from one member to another: a function that the model calls.

    Attributes:
        function_name: The function's name.
        description: When to call it, written for the model.
        next_member_id: Who takes over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    function_name: str
    description: Annotated[str, Field(max_length=1024)] = ""
    next_member_id: UUID


class Member(BaseModel):
    """One AI in a team.

    Attributes:
        id: Chosen by the client, unique within the team.
        name: What the other members' models are told that it is.
        ai_id: Its AI.
        transitions: To whom it can hand the call over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    name: Annotated[str, Field(min_length=1, max_length=255)]
    ai_id: UUID
    transitions: Annotated[list[Transition], Field(max_length=MOST_TRANSITIONS)] = Field(default_factory=list)

    @field_validator("transitions", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return [] if value is None else value


class TeamFields(BaseModel):
    """The fields of a team that its owner writes and reads.

    Attributes:
        name: For people.
        detail: For people.
        start_member_id: Who answers the call.
        members: The members.
        parameter: Laid over each member's AI's own ``parameter``, key by key.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    detail: str = ""
    start_member_id: UUID
    members: Annotated[list[Member], Field(min_length=1, max_length=MOST_MEMBERS)]
    parameter: dict[str, Any] = Field(default_factory=dict)

    @field_validator("parameter", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def start_member(self) -> Member:
        """Who answers the call."""
        return self.member(self.start_member_id)

    def member(self, member_id: UUID) -> Member:
        """Return a member.

        Raises:
            KeyError: There is none with that id.
        """
        for member in self.members:
            if member.id == member_id:
                return member
        raise KeyError(member_id)


class TeamWrite(TeamFields):
    """Body of ``POST /v1.0/teams`` and ``PUT /v1.0/teams/{id}``. What is wrong with it is told field by field."""

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if key not in READ_ONLY} if isinstance(data, dict) else data

    @field_validator("parameter")
    @classmethod
    def _check_parameter(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in (*SECRET_PARAMETERS, "fallback", "tools", "mcp_servers"):
            if key in value:
                raise field_error(f"parameter.{key}", "belongs to the members' AIs, not to the team")
        return check_parameter(value)

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        for field, message in problems(self.start_member_id, self.members):
            raise field_error(field, message)
        return self


def problems(start_member_id: UUID, members: Sequence[Member]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the members of a team, as field and message.

    Args:
        start_member_id: Who answers the call.
        members: The members.
    """
    places: dict[UUID, int] = {}
    for place, member in enumerate(members):
        if member.id == NIL_ID:
            yield f"members[{place}].id", "must not be the nil UUID"
        elif member.id in places:
            yield f"members[{place}].id", f"is that of members[{places[member.id]}] too"
        places.setdefault(member.id, place)
        if member.ai_id == NIL_ID:
            yield f"members[{place}].ai_id", "must not be the nil UUID"
    for place, member in enumerate(members):
        yield from _transition_problems(place, member, places)
    if start_member_id not in places:
        yield "start_member_id", "is no member of the team"
        return
    reached = _reachable(start_member_id, {member.id: member for member in reversed(members)})
    for place, member in enumerate(members):
        if member.id not in reached:
            yield f"members[{place}]", "cannot be reached from the start member by any transition"


def _transition_problems(place: int, member: Member, places: dict[UUID, int]) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for number, transition in enumerate(member.transitions):
        path, name = f"members[{place}].transitions[{number}]", transition.function_name
        if not FUNCTION_NAME.fullmatch(name):
            yield (
                f"{path}.function_name",
                "must begin with a letter or _, and have up to 64 letters, digits, _ and -",
            )
        elif name in TOOLS:
            yield f"{path}.function_name", f"{name} is a tool"
        elif name in seen:
            yield f"{path}.function_name", f"is that of members[{place}].transitions[{seen[name]}] too"
        seen.setdefault(name, number)
        if transition.next_member_id not in places:
            yield f"{path}.next_member_id", "is no member of the team"
        elif transition.next_member_id == member.id:
            yield f"{path}.next_member_id", "is the member itself"


def _reachable(start_member_id: UUID, members: dict[UUID, Member]) -> set[UUID]:
    reached, waiting = {start_member_id}, deque([start_member_id])
    while waiting:
        for transition in members[waiting.popleft()].transitions:
            following = transition.next_member_id
            if following in members and following not in reached:
                reached.add(following)
                waiting.append(following)
    return reached


class Team(TeamFields):
    """A stored team."""

    id: UUID
    customer_id: UUID
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(cls, body: TeamWrite, *, id: UUID, customer_id: UUID, now: datetime) -> Self:  # noqa: A002
        """Make a new team from a request body."""
        return cls(**body.model_dump(), id=id, customer_id=customer_id, tm_create=now)

    def replaced(self, body: TeamWrite, *, now: datetime) -> Self:
        """Return this team with everything its owner writes replaced (PUT)."""
        return type(self)(
            **body.model_dump(), id=self.id, customer_id=self.customer_id, tm_create=self.tm_create, tm_update=now
        )

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        dumped = self.model_dump(mode="json")
        return {"id": dumped.pop("id"), "customer_id": dumped.pop("customer_id"), **dumped}
