"""What ``aicall worker`` reads: one call with everything that it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from models.ai import AiWrite
from models.aicall import Aicall, AicallWrite, AssistanceType, ReferenceType
from models.errors import InvalidField
from models.ids import DEFAULT_CUSTOMER_ID
from models.team import TeamWrite

_GIVEN_FIELDS = frozenset(AicallWrite.model_fields) - {"assistance_id"}
_AICALL_FIELDS = frozenset(Aicall.model_fields) | {"media_url"}


@dataclass(frozen=True, slots=True)
class CallDocument:
    """The one JSON document that describes the call.

    ``{"aicall": {...}, "ai": {...}}``, or for a team ``{"aicall": {...}, "team": {...}, "ais": [{...}]}`` with the AIs
    of its members, each with its ``id``.

    Attributes:
        aicall: What the AIcall is created from.
        aicall_id: The AIcall's id: the given one, else a new one.
        customer_id: Whose they are.
        ais: The AIs with their secrets, by id; of an AI alone, the given id, else a new one.
        team: The team; None for an AI alone.
    """

    aicall: AicallWrite
    aicall_id: UUID
    customer_id: UUID
    ais: Mapping[UUID, AiWrite]
    team: TeamWrite | None = None

    @property
    def assistance_id(self) -> UUID:
        """Id of the AI or the team."""
        return self.aicall.assistance_id

    @property
    def ai_id(self) -> UUID:
        """Id of the AI that answers the call."""
        return self.assistance_id if self.team is None else self.team.start_member.ai_id

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the document.

        Args:
            text: JSON. The AIcall may be a whole one, as the API writes it: the fields that follow from the AI are
                passed over, since the AI is given too.

        Raises:
            InvalidField: It is not JSON, or a field is missing or wrong; the error names it.
        """
        try:
            document = json.loads(text)
            # Python reads NaN and Infinity, which are not JSON and would spoil the lines that are written.
            json.dumps(document, allow_nan=False)
        except (ValueError, RecursionError):
            raise InvalidField("call", "is not JSON") from None
        if not isinstance(document, dict):
            raise InvalidField("call", "must be an object")
        given_aicall = _part(document, "aicall")
        for name in given_aicall:
            if name not in _AICALL_FIELDS:
                raise InvalidField(f"aicall.{name}", "is no field of an AIcall")
        of_aicall = _validated("aicall", _Identity, given_aicall)
        team, ais, found = _team(document) if document.get("team") is not None else _single(document)
        fields = {name: value for name, value in given_aicall.items() if name in _GIVEN_FIELDS}
        fields["assistance_type"] = AssistanceType.AI if team is None else AssistanceType.TEAM
        aicall = _validated("aicall", AicallWrite, {**fields, "assistance_id": str(found.id)})
        if aicall.reference_type is not ReferenceType.CALL:
            raise InvalidField("aicall.reference_type", "must be call: a worker serves a phone call")
        customer_id = of_aicall.customer_id or found.customer_id or DEFAULT_CUSTOMER_ID
        return cls(aicall, of_aicall.id or uuid4(), customer_id, ais, team)


class _Identity(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID | None = None
    customer_id: UUID | None = None


def _single(document: Mapping[str, Any]) -> tuple[None, dict[UUID, AiWrite], _Identity]:
    given = _part(document, "ai")
    found = _validated("ai", _Identity, given)
    found.id = found.id or uuid4()
    return None, {found.id: _validated("ai", AiWrite, given)}, found


def _team(document: Mapping[str, Any]) -> tuple[TeamWrite, dict[UUID, AiWrite], _Identity]:
    if document.get("ai") is not None:
        raise InvalidField("ai", "is for a call without a team; a team's AIs stand in ais")
    given = _part(document, "team")
    found = _validated("team", _Identity, given)
    found.id = found.id or uuid4()
    team = _validated("team", TeamWrite, given)
    given_ais = document.get("ais")
    if not isinstance(given_ais, list):
        raise InvalidField("ais", "must be the list of the team's AIs")
    ais: dict[UUID, AiWrite] = {}
    for number, given_ai in enumerate(given_ais):
        where = f"ais[{number}]"
        if not isinstance(given_ai, dict):
            raise InvalidField(where, "must be an object")
        ai_id = _validated(where, _Identity, given_ai).id
        if ai_id is None or ai_id in ais:
            raise InvalidField(f"{where}.id", "is required, and each must be another")
        ais[ai_id] = _validated(where, AiWrite, given_ai)
    for number, member in enumerate(team.members):
        if member.ai_id not in ais:
            raise InvalidField(f"team.members[{number}].ai_id", "is none of ais")
    return team, ais, found


_Model = TypeVar("_Model", bound=BaseModel)


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    if part is None and name == "ai":
        raise InvalidField(name, "is required")
    if part is not None and not isinstance(part, dict):
        raise InvalidField(name, "must be an object")
    return part or {}


def _validated(name: str, model: type[_Model], value: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        context = first.get("ctx") or {}
        path = str(context.get("field") or ".".join(map(str, first["loc"])))
        raise InvalidField(f"{name}.{path}", str(first["msg"]).removeprefix("Value error, ")) from None
