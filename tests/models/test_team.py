"""What a team may look like, and which field is named when it may not."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.ids import NIL_ID
from models.team import MOST_MEMBERS, Member, Team, TeamWrite, Transition, problems
from models.timestamps import NOT_YET
from tests.adapters.store.samples import CUSTOMER, at

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def to(target: UUID, name: str = "go", **changes: Any) -> dict[str, Any]:
    return {"function_name": name, "description": "When it helps.", "next_member_id": str(target), **changes}


def member(id_: UUID, *transitions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"id": str(id_), "name": "Desk", "ai_id": str(uuid4()), "transitions": list(transitions), **changes}


def team(*members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "Office", "start_member_id": str(A), "members": list(members), **changes}


def wrong(body: dict[str, Any]) -> str:
    """The field that is named."""
    with pytest.raises(ValidationError) as caught:
        TeamWrite.model_validate(body)
    error = caught.value.errors()[0]
    return str(error.get("ctx", {}).get("field") or ".".join(map(str, error["loc"])))


def test_a_team_is_kept_as_it_was_given() -> None:
    body = team(member(A, to(B)), member(B, to(A, "back")), detail="d", parameter={"greeting": "Hi", "own": 1})
    write = TeamWrite.model_validate(body)
    made = Team.create(write, id=uuid4(), customer_id=CUSTOMER, now=at())
    public = made.public()
    assert list(public)[:2] == ["id", "customer_id"]
    assert {name: public[name] for name in body} == body
    assert (made.tm_update, made.tm_delete) == (NOT_YET, NOT_YET)
    assert made.start_member.id == A
    assert made.member(B).transitions[0].function_name == "back"
    with pytest.raises(KeyError):
        made.member(C)


def test_what_was_read_may_be_sent_back() -> None:
    made = Team.create(TeamWrite.model_validate(team(member(A))), id=uuid4(), customer_id=CUSTOMER, now=at())
    replaced = made.replaced(TeamWrite.model_validate({**made.public(), "name": "New"}), now=at(5))
    assert replaced == made.model_copy(update={"name": "New", "tm_update": at(5)})


def test_null_is_empty() -> None:
    made = TeamWrite.model_validate(team({**member(A), "transitions": None}, parameter=None))
    assert made.parameter == {}
    assert made.members[0].transitions == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (team(), "members"),
        (team(*(member(UUID(int=number + 1)) for number in range(MOST_MEMBERS + 1))), "members"),
        (team(member(A), name=""), "name"),
        (team(member(A), colour="red"), "colour"),
        (team(member(A, name="")), "members.0.name"),
        (team(member(A, ai_id="x")), "members.0.ai_id"),
        (team(member(A, ai_id=str(NIL_ID))), "members[0].ai_id"),
        (team(member(NIL_ID), start_member_id=str(NIL_ID)), "members[0].id"),
        (team(member(A, to(B)), member(B), member(B)), "members[2].id"),
        (team(member(B)), "start_member_id"),
        (team(member(A, to(C))), "members[0].transitions[0].next_member_id"),
        (team(member(A, to(A))), "members[0].transitions[0].next_member_id"),
        (team(member(A), member(B)), "members[1]"),
        (team(member(A), member(B, to(A))), "members[1]"),
        (team(member(A, to(B, "two words")), member(B)), "members[0].transitions[0].function_name"),
        (team(member(A, to(B, "1st")), member(B)), "members[0].transitions[0].function_name"),
        (team(member(A, to(B, "")), member(B)), "members[0].transitions[0].function_name"),
        (team(member(A, to(B, "x" * 65)), member(B)), "members[0].transitions[0].function_name"),
        (team(member(A, to(B, "stop_service")), member(B)), "members[0].transitions[0].function_name"),
        (team(member(A, to(B), to(B)), member(B)), "members[0].transitions[1].function_name"),
        (team(member(A), parameter={"stt_key": "s"}), "parameter.stt_key"),
        (team(member(A), parameter={"fallback": {}}), "parameter.fallback"),
        (team(member(A), parameter={"idle_limit": "x"}), "parameter.idle_limit"),
    ],
)
def test_the_field_that_is_wrong_is_named(body: dict[str, Any], field: str) -> None:
    assert wrong(body) == field


def test_a_long_name_and_the_same_name_at_two_members_are_fine() -> None:
    name = "_" + "x" * 63
    TeamWrite.model_validate(team(member(A, to(B, name)), member(B, to(A, name))))


# Every team that can be thought of.

IDS = [UUID(int=number) for number in range(1, 7)]


@st.composite
def rosters(draw: st.DrawFn) -> tuple[UUID, list[Member]]:
    """Members with transitions to anybody, also to nobody of the team."""
    members = []
    for id_ in draw(st.lists(st.sampled_from(IDS), max_size=6)):
        targets = draw(st.lists(st.sampled_from(IDS), max_size=4))
        ways = [Transition(function_name=f"to_{place}", next_member_id=to_) for place, to_ in enumerate(targets)]
        members.append(Member(id=id_, name="m", ai_id=uuid4(), transitions=ways))
    return draw(st.sampled_from(IDS)), members


def reached_from(start: UUID, members: list[Member]) -> set[UUID]:
    """Who can get the call, found by handing it over until nobody new comes."""
    reached = {start}
    for _ in members:
        reached |= {it.next_member_id for one in members if one.id in reached for it in one.transitions}
    return reached


@given(rosters())
def test_a_team_is_accepted_exactly_when_every_member_can_get_the_call_and_nobody_else(
    roster: tuple[UUID, list[Member]],
) -> None:
    start, members = roster
    ids = [it.id for it in members]
    targets = {way.next_member_id for it in members for way in it.transitions}
    sound = (
        len(ids) == len(set(ids))
        and start in ids
        and targets <= set(ids)
        and all(way.next_member_id != it.id for it in members for way in it.transitions)
        and reached_from(start, members) >= set(ids)
    )
    assert sound == (list(problems(start, members)) == [])


@given(rosters())
def test_every_problem_names_a_field_that_is_there(roster: tuple[UUID, list[Member]]) -> None:
    start, members = roster
    document = {"start_member_id": start, "members": [it.model_dump() for it in members]}
    for field, message in problems(start, members):
        found: Any = document
        for part in field.replace("]", "").replace("[", ".").split("."):
            found = found[int(part)] if part.isdigit() else found[part]
        assert message
