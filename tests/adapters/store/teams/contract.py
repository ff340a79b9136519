"""What every store must do with teams. A test module derives its class from this and gives a ``store`` fixture."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.store.base import GrantKind, Store
from adapters.store.teams.contract import MemberSwitch
from models.errors import Changed, Conflict, InvalidField, LostLease, NotFound
from models.team import Team, TeamWrite
from tests.adapters.store.contract import all_pages
from tests.adapters.store.samples import CUSTOMER, STRANGER, at, make_aicall, make_grant, stored_aicall, terminate

FIRST, SECOND = UUID(int=1), UUID(int=2)


def make_team(seconds: float = 0.0, customer_id: UUID = CUSTOMER, **fields: Any) -> Team:
    way = {"function_name": "over", "description": "grüß", "next_member_id": str(SECOND)}
    body = TeamWrite(
        **{
            "name": "office",
            "start_member_id": FIRST,
            "members": [
                {"id": str(FIRST), "name": "First", "ai_id": str(uuid4()), "transitions": [way]},
                {"id": str(SECOND), "name": "Second", "ai_id": str(uuid4())},
            ],
            "parameter": {"greeting": "Hello 👋", "own": [1, {"two": None}]},
            **fields,
        }
    )
    return Team.create(body, id=uuid4(), customer_id=customer_id, now=at(seconds))


class TeamContract:
    async def test_a_team_comes_back_as_it_was_stored(self, store: Store) -> None:
        team = make_team(0.123456, detail="d" * 10_000)
        await store.create_team(team)
        assert await store.get_team(team.id, customer_id=CUSTOMER) == team
        assert await store.get_team(team.id, customer_id=None) == team

    async def test_an_id_is_taken_once(self, store: Store) -> None:
        team = make_team()
        await store.create_team(team)
        with pytest.raises(Conflict):
            await store.create_team(team)

    async def test_another_customers_team_is_not_there(self, store: Store) -> None:
        team = make_team()
        await store.create_team(team)
        with pytest.raises(NotFound):
            await store.get_team(team.id, customer_id=STRANGER)
        with pytest.raises(NotFound):
            await store.delete_team(team.id, customer_id=STRANGER, now=at())
        with pytest.raises(NotFound):
            await store.update_team(team.model_copy(update={"customer_id": STRANGER}))
        assert (await store.list_teams(customer_id=STRANGER, page_size=10)).items == []
        assert await store.get_team(team.id, customer_id=CUSTOMER) == team

    async def test_update_replaces(self, store: Store) -> None:
        team, other = make_team(), make_team()
        await store.create_team(team)
        await store.create_team(other)
        replaced = team.model_copy(
            update={"name": "new", "members": team.members[:1], "parameter": {}, "tm_update": at(5)}
        )
        await store.update_team(replaced)
        assert await store.get_team(team.id, customer_id=CUSTOMER) == replaced
        assert await store.get_team(other.id, customer_id=CUSTOMER) == other

    async def test_update_only_of_what_was_seen(self, store: Store) -> None:
        team = make_team()
        await store.create_team(team)
        first = team.model_copy(update={"name": "first", "tm_update": at(1)})
        await store.update_team(first, unchanged_since=team.tm_update)
        with pytest.raises(Changed):
            await store.update_team(
                team.model_copy(update={"name": "second", "tm_update": at(2)}), unchanged_since=team.tm_update
            )
        assert await store.get_team(team.id, customer_id=CUSTOMER) == first

    async def test_a_deleted_team_is_gone_with_its_token(self, store: Store) -> None:
        team = make_team()
        await store.create_team(team)
        await store.put_grant(make_grant(team.id, at(60), GrantKind.TEAM))
        grant = await store.get_grant(team.id)
        assert grant is not None
        assert grant.kind is GrantKind.TEAM
        deleted = await store.delete_team(team.id, customer_id=CUSTOMER, now=at(5))
        assert deleted == team.model_copy(update={"tm_delete": at(5)})
        assert await store.get_grant(team.id) is None
        for gone in (
            store.get_team(team.id, customer_id=CUSTOMER),
            store.update_team(team),
            store.delete_team(team.id, customer_id=CUSTOMER, now=at(6)),
        ):
            with pytest.raises(NotFound):
                await gone
        assert (await store.list_teams(customer_id=CUSTOMER, page_size=10)).items == []

    async def test_teams_are_listed_newest_first(self, store: Store) -> None:
        teams = [make_team(second // 2) for second in range(7)]
        for team in teams:
            await store.create_team(team)
        listed = await all_pages(lambda token: store.list_teams(customer_id=CUSTOMER, page_size=2, page_token=token))
        assert listed == sorted(teams, key=lambda team: (team.tm_create, team.id), reverse=True)
        with pytest.raises(InvalidField):
            await store.list_teams(customer_id=CUSTOMER, page_size=2, page_token="none of ours")


class SwitchContract:
    async def test_who_has_the_call_and_the_event_change_together(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        event = await store.switch_member(MemberSwitch(aicall.id, FIRST, SECOND, "over"), now=at(3), key=uuid4())
        changed = await store.get_aicall(aicall.id, customer_id=CUSTOMER)
        assert changed == aicall.model_copy(update={"current_member_id": SECOND, "tm_update": at(3)})
        assert (event.type, event.sequence, event.tm_create) == ("team_member_switched", 2, at(3))
        assert event.data == {
            "from_member_id": str(FIRST),
            "to_member_id": str(SECOND),
            "function_name": "over",
        }
        assert (await store.list_events(limit=10, customer_id=CUSTOMER))[-1] == event

    async def test_a_repeated_write_does_not_undo_a_later_one(self, store: Store) -> None:
        aicall = await stored_aicall(store)
        key = uuid4()
        first = await store.switch_member(MemberSwitch(aicall.id, FIRST, SECOND, "over"), now=at(1), key=key)
        await store.switch_member(MemberSwitch(aicall.id, SECOND, FIRST, "back"), now=at(2), key=uuid4())
        again = await store.switch_member(MemberSwitch(aicall.id, FIRST, SECOND, "over"), now=at(1), key=key)
        assert again == first
        assert (await store.get_aicall(aicall.id, customer_id=None)).current_member_id == FIRST
        assert len(await store.list_events(limit=10, customer_id=CUSTOMER)) == 3

    async def test_only_the_owner_hands_over(self, store: Store) -> None:
        aicall = make_aicall()
        await store.create_aicall(aicall, owner="me")
        switch = MemberSwitch(aicall.id, FIRST, SECOND, "over")
        with pytest.raises(LostLease):
            await store.switch_member(switch, now=at(1), key=uuid4(), owner="you")
        assert (await store.get_aicall(aicall.id, customer_id=None)).current_member_id == aicall.current_member_id
        assert len(await store.list_events(limit=10, customer_id=None)) == 1
        await store.switch_member(switch, now=at(1), key=uuid4(), owner="me")
        assert (await store.get_aicall(aicall.id, customer_id=None)).current_member_id == SECOND

    async def test_there_must_be_a_call(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.switch_member(MemberSwitch(uuid4(), FIRST, SECOND, "over"), now=at(1), key=uuid4())
        gone = await terminate(store, await stored_aicall(store))
        await store.delete_aicall(gone.id, customer_id=CUSTOMER, now=at(5))
        with pytest.raises(NotFound):
            await store.switch_member(MemberSwitch(gone.id, FIRST, SECOND, "over"), now=at(6), key=uuid4())
