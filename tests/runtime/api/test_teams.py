from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from models.timestamps import NOT_YET
from runtime.tokens import verify_token
from tests.runtime.calls.troupes import RECEPTION, SALES, team_of
from tests.runtime.serving import Api

FIELDS = {
    "id",
    "customer_id",
    "name",
    "detail",
    "start_member_id",
    "members",
    "parameter",
    "tm_create",
    "tm_update",
    "tm_delete",
}


async def body_of(api: Api, **changes: Any) -> dict[str, Any]:
    """The body of a team of two AIs that are there."""
    return team_of((await api.new_ai())["id"], (await api.new_ai())["id"], **changes)


@pytest.mark.parametrize("path", ["/v1.0/teams", "/v1.0/ai-teams"])
async def test_a_team_lives_and_dies(api: Api, path: str) -> None:
    created = await api.http.post(path, json=await body_of(api))
    assert created.status_code == 201, created.text
    team = created.json()
    assert team.keys() == FIELDS
    assert team["members"][1].keys() == {"id", "name", "ai_id", "transitions"}
    assert team["members"][1]["transitions"][0].keys() == {"function_name", "description", "next_member_id"}
    assert (team["start_member_id"], team["tm_update"]) == (str(RECEPTION), "9999-01-01T00:00:00.000000Z")
    assert await api.ok("GET", f"{path}/{team['id']}") == team
    replaced = await api.ok("PUT", f"{path}/{team['id']}", json={**team, "name": "Night desk"})
    assert replaced["name"] == "Night desk"
    assert replaced["tm_update"] < "9999"
    assert (await api.ok("GET", path))["result"] == [replaced]
    deleted = await api.ok("DELETE", f"{path}/{team['id']}")
    assert deleted["tm_delete"] < "9999"
    for method, suffix in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/media_token")):
        body = {"json": team} if method == "PUT" else {}
        await api.problem(method, f"{path}/{team['id']}{suffix}", 404, **body)
    assert (await api.ok("GET", path))["result"] == []


async def test_an_ai_that_is_not_there_is_named(api: Api) -> None:
    body = await body_of(api)
    body["members"][1]["ai_id"] = str(uuid4())
    assert await api.wrong_field("POST", "/v1.0/teams", json=body) == "members[1].ai_id"
    gone = await api.new_ai()
    await api.ok("DELETE", f"/v1.0/ais/{gone['id']}")
    body["members"][1]["ai_id"] = gone["id"]
    assert await api.wrong_field("POST", "/v1.0/teams", json=body) == "members[1].ai_id"
    team = await api.ok("POST", "/v1.0/teams", json=await body_of(api))
    assert await api.wrong_field("PUT", f"/v1.0/teams/{team['id']}", json=body) == "members[1].ai_id"


async def test_another_customers_ai_is_not_there(api: Api) -> None:
    body = await body_of(api)
    stored = await api.services.store.get_ai(UUID(body["members"][0]["ai_id"]), customer_id=None)
    foreign = stored.model_copy(update={"id": uuid4(), "customer_id": uuid4()})
    await api.services.store.create_ai(foreign)
    body["members"][0]["ai_id"] = str(foreign.id)
    assert await api.wrong_field("POST", "/v1.0/teams", json=body) == "members[0].ai_id"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start_member_id": str(uuid4())}, "start_member_id"),
        ({"start_member_id": "reception"}, "start_member_id"),
        ({"members": []}, "members"),
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
        ({"parameter": {"tts_key": "k"}}, "parameter.tts_key"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, changes: dict[str, Any], field: str) -> None:
    assert await api.wrong_field("POST", "/v1.0/teams", json=await body_of(api, **changes)) == field


async def test_a_wrong_transition_is_named(api: Api) -> None:
    body = await body_of(api)
    body["members"][1]["transitions"][0]["next_member_id"] = str(uuid4())
    assert await api.wrong_field("POST", "/v1.0/teams", json=body) == "members[1].transitions[0].next_member_id"


async def test_a_media_url_is_made_and_replaced(api: Api) -> None:
    team = await api.ok("POST", "/v1.0/teams", json=await body_of(api))
    urls = [(await api.ok("POST", f"/v1.0/teams/{team['id']}/media_token"))["media_url"] for _ in range(2)]
    assert urls[0] != urls[1]
    grant = await api.services.store.get_grant(UUID(team["id"]))
    assert grant is not None
    assert grant.tm_expire == NOT_YET
    old, new = (url.rpartition("/")[2] for url in urls)
    assert verify_token(new, grant.token_sha256)
    assert not verify_token(old, grant.token_sha256)


async def test_an_aicall_of_a_team_is_its_start_members(api: Api) -> None:
    first = await api.new_ai(parameter={"greeting": "AI", "mine": 1, "theirs": 1}, stt_language="en-GB")
    second = await api.new_ai()
    body = team_of(first["id"], second["id"], parameter={"greeting": "Team", "theirs": 2, "ours": 2})
    team = await api.ok("POST", "/v1.0/teams", json=body)
    aicall = await api.ok(
        "POST",
        "/v1.0/aicalls",
        json={"assistance_type": "team", "assistance_id": team["id"], "parameter": {"ours": 3}},
    )
    assert (aicall["assistance_type"], aicall["assistance_id"]) == ("team", team["id"])
    assert aicall["current_member_id"] == str(RECEPTION) != str(SALES)
    assert aicall["ai_engine_model"] == first["engine_model"]
    assert aicall["stt_language"] == "en-GB"
    assert aicall["parameter"] == {"greeting": "Team", "mine": 1, "theirs": 2, "ours": 3}
    assert aicall["media_url"].startswith("ws://")


async def test_an_aicall_needs_a_team_that_is_there(api: Api) -> None:
    body = await body_of(api)
    team = await api.ok("POST", "/v1.0/teams", json=body)
    of_team = {"assistance_type": "team", "assistance_id": team["id"]}
    ai_id = body["members"][0]["ai_id"]
    wrong = {"assistance_type": "team", "assistance_id": ai_id}
    assert await api.wrong_field("POST", "/v1.0/aicalls", json=wrong) == "assistance_id"
    await api.ok("DELETE", f"/v1.0/ais/{ai_id}")
    assert await api.wrong_field("POST", "/v1.0/aicalls", json=of_team) == "assistance_id"
    await api.ok("DELETE", f"/v1.0/teams/{team['id']}")
    assert await api.wrong_field("POST", "/v1.0/aicalls", json=of_team) == "assistance_id"
