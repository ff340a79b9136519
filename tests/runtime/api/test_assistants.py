"""The routes of pbx facts A9; cases after what the phone system's own tests describe (A11)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from models.timestamps import parse_timestamp
from tests.runtime.api.resources import tenant
from tests.runtime.serving import Api

PATH = "/api/v1/ai-assistants"
SIP: dict[str, Any] = {"provider": "vapi", "configuration": {"phone_number": "+15551234567"}}
DEEPDUB = {"provider": "deepdub", "configuration": {"bot_id": "bot123", "auth_token": "canary-token"}}


async def make(api: Api, **fields: Any) -> dict[str, Any]:
    answer = await api.http.post(PATH, json={"name": str(uuid4()), **SIP, **fields})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert document.keys() == {"message", "data"}
    made: dict[str, Any] = document["data"]
    return made


async def refer(api: Api, assistant: dict[str, Any], type_: str, key: str, label: str = "") -> dict[str, Any]:
    body = {"type": type_, "key": key, "label": label}
    answer = await api.http.post(f"{PATH}/{assistant['id']}/references", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


async def errors(api: Api, method: str, path: str, body: Any) -> dict[str, list[str]]:
    told: dict[str, list[str]] = (await api.problem(method, path, 422, json=body))["errors"]
    return told


async def names(api: Api, **query: Any) -> list[str]:
    return [it["name"] for it in (await api.ok("GET", PATH, params=query))["data"]]


async def test_an_assistant_lives_and_dies(api: Api) -> None:
    made = await make(api, name="Test", description="Test description", protocol="websocket", id=99)
    path = f"{PATH}/{made['id']}"
    assert made["protocol"] == "sip"
    assert made["status"] == "active"
    assert made["configuration"] == {"phone_number": "+15551234567"}
    assert made["usage_count"] == 0
    assert isinstance(made["id"], int)
    shown = (await api.ok("GET", path))["data"]
    assert shown == {**made, "used_by_extensions": [], "references": []}
    changed = (await api.ok("PUT", path, json={"name": "Updated", "description": "new"}))["data"]
    assert (changed["name"], changed["description"]) == ("Updated", "new")
    assert changed["configuration"] == made["configuration"]
    assert parse_timestamp(changed["updated_at"]) > parse_timestamp(made["updated_at"])
    inactive = (await api.ok("PATCH", path, json={"status": "inactive"}))["data"]
    assert (inactive["status"], inactive["name"]) == ("inactive", "Updated")
    deleted = await api.http.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "PUT", "DELETE"):
        assert (await api.problem(method, path, 404, json={"name": "x"}))["error"] == "Not Found"
    await make(api, name="Updated")


async def test_the_protocol_follows_the_provider(api: Api) -> None:
    made = await make(api, **DEEPDUB)
    assert made["protocol"] == "websocket"
    path = f"{PATH}/{made['id']}"
    assert "configuration.phone_number" in await errors(api, "PUT", path, {"provider": "retell"})
    body = {"name": "Retell Agent", "provider": "retell", "configuration": {"phone_number": "+12133287400"}}
    changed = (await api.ok("PUT", path, json=body))["data"]
    assert (changed["protocol"], changed["configuration"]) == ("sip", {"phone_number": "+12133287400"})
    assert changed["configuration_secrets"] == []


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"name": "x", "configuration": {}}, "provider", "The provider field is required."),
        ({"provider": "vapi", "configuration": {}}, "name", "The name field is required."),
        ({"name": "x", "provider": "vapi"}, "configuration", "The configuration field is required."),
        ({"name": "x", "provider": "acme", "configuration": {}}, "provider", "Unknown AI provider: acme"),
        ({"name": "x", **SIP, "configuration": []}, "configuration.phone_number", "Phone Number is required"),
        (
            {"name": "x", **SIP, "configuration": {"phone_number": "phone"}},
            "configuration.phone_number",
            "Phone Number must be a valid phone number (E.164 format)",
        ),
        ({"name": "x", **SIP, "status": "asleep"}, "status", ""),
        ({"name": "n" * 256, **SIP}, "name", ""),
        ({"name": "x", "description": "d" * 1001, **SIP}, "description", ""),
        ({"name": "x", **SIP, "configuration": {**SIP["configuration"], "colour": "red"}}, "configuration.colour", ""),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_by_field(api: Api, body: dict[str, Any], field: str, message: str) -> None:
    told = await errors(api, "POST", PATH, body)
    assert list(told) == [field]
    assert message in told[field][0]


async def test_everything_that_is_wrong_is_told_at_once(api: Api) -> None:
    problem = await api.problem("POST", PATH, 422, json={"name": "x", "provider": "deepdub", "configuration": {}})
    assert problem["errors"] == {
        "configuration.bot_id": ["Bot ID is required"],
        "configuration.auth_token": ["Auth Token is required"],
    }
    assert problem["message"] == "Bot ID is required (and 1 more error)"


async def test_a_name_is_taken_once_per_customer(api: Api) -> None:
    first, second = await make(api, name="desk"), await make(api)
    taken = {"name": ["The name has already been taken."]}
    assert await errors(api, "POST", PATH, {"name": "desk", **SIP}) == taken
    assert await errors(api, "PUT", f"{PATH}/{second['id']}", {"name": "desk"}) == taken
    await api.ok("PUT", f"{PATH}/{first['id']}", json={"name": "desk", "description": "the same"})
    async with tenant(api) as other:
        await make(other, name="desk")


async def test_no_answer_shows_a_secret(api: Api) -> None:
    made = await make(api, **DEEPDUB)
    path = f"{PATH}/{made['id']}"
    answers = [
        await api.http.get(path),
        await api.http.get(PATH),
        await api.http.put(path, json={**made, "configuration": {"bot_id": "other"}}),
        await api.http.put(path, json={"provider": "deepdub", "configuration": {"auth_token": "canary"}}),
        await api.http.post(PATH, json={"name": made["name"], **DEEPDUB}),
        await api.http.post(PATH, json={"name": "y", **DEEPDUB, "configuration": {"auth_token": ["canary"]}}),
    ]
    assert [it.status_code for it in answers] == [200, 200, 200, 422, 422, 422]
    assert not [it.text for it in answers if "canary" in it.text]
    assert made["configuration_secrets"] == ["auth_token"]
    stored = await api.services.store.get_assistant(made["id"], customer_id=None)
    assert stored.revealed() == {"bot_id": "other", "auth_token": "canary-token"}


async def test_lists(api: Api) -> None:
    await make(api, name="Customer Service Bot")
    await make(api, name="Sales", provider="retell", status="inactive")
    await make(api, name="Web", **DEEPDUB)
    async with tenant(api) as other:
        await make(other, name="theirs")
        assert await names(other) == ["theirs"]
    assert await names(api) == ["Customer Service Bot", "Sales", "Web"]
    assert await names(api, status="inactive") == ["Sales"]
    assert await names(api, protocol="sip") == ["Customer Service Bot", "Sales"]
    assert await names(api, provider="vapi") == ["Customer Service Bot"]
    assert await names(api, search="customer") == ["Customer Service Bot"]
    assert await names(api, sort_by="created_at", sort_order="desc") == ["Web", "Sales", "Customer Service Bot"]
    page = await api.ok("GET", PATH, params={"per_page": 2, "page": 2})
    assert page["meta"] == {"current_page": 2, "per_page": 2, "total": 3, "last_page": 2, "from": 3, "to": 3}
    empty = (await api.ok("GET", PATH, params={"page": 9}))["meta"]
    assert (empty["from"], empty["to"], empty["last_page"]) == (None, None, 1)
    for query in ({"per_page": 0}, {"per_page": 101}, {"page": 0}, {"sort_by": "secrets"}, {"status": "x"}, {"x": 1}):
        assert list((await api.problem("GET", PATH, 422, params=query))["errors"]) == list(query)


async def test_who_made_it_is_the_key(api: Api) -> None:
    assert (await make(api))["created_by"] is None
    async with tenant(api) as owner:
        made = await make(owner)
        assert made["created_by"] == made["updated_by"] is not None
        stored = await owner.services.store.get_assistant(made["id"], customer_id=None)
        keys = await api.ok("GET", f"/v1.0/customers/{stored.organization_id}/api_keys")
        assert [it["id"] for it in keys["result"]] == [made["created_by"]]


async def test_what_is_referred_to_is_not_deleted(api: Api) -> None:
    made = await make(api)
    path = f"{PATH}/{made['id']}"
    extension = await refer(api, made, "extension", "201", "Front desk")
    number = await refer(api, made, "did_number", "+12125551234", "Main")
    assert await refer(api, made, "did_number", "+12125551234", "Main line") == {**number, "label": "Main line"}
    shown = (await api.ok("GET", path))["data"]
    assert shown["usage_count"] == 2
    assert shown["used_by_extensions"] == [{"id": extension["id"], "extension_number": "201", "label": "Front desk"}]
    assert shown["references"] == (await api.ok("GET", f"{path}/references"))["data"]
    assert (await api.ok("GET", PATH))["data"][0]["usage_count"] == 2
    problem = await api.problem("DELETE", path, 409)
    assert problem["error"] == "Cannot delete AI assistant"
    assert problem["message"] == (
        "This AI assistant is being used and cannot be deleted. Please remove all references first."
    )
    assert problem["references"] == {"extensions": [extension], "did_numbers": [{**number, "label": "Main line"}]}
    for reference in (extension, number):
        assert (await api.http.delete(f"{path}/references/{reference['id']}")).status_code == 204
        await api.problem("DELETE", f"{path}/references/{reference['id']}", 404)
    assert (await api.http.delete(path)).status_code == 204


async def test_wrong_references(api: Api) -> None:
    path = f"{PATH}/{(await make(api))['id']}/references"
    bodies: list[tuple[dict[str, Any], str]] = [
        ({"type": "dog", "key": "1"}, "type"),
        ({"type": "extension", "key": ""}, "key"),
        ({"type": "extension"}, "key"),
        ({"type": "extension", "key": "1", "label": "l" * 256}, "label"),
    ]
    for body, field in bodies:
        assert list(await errors(api, "POST", path, body)) == [field]


async def test_a_change_of_something_else_than_was_read_is_refused(api: Api) -> None:
    path = f"{PATH}/{(await make(api))['id']}"
    etag = (await api.http.get(path)).headers["etag"]
    await api.ok("PUT", path, json={"description": "first"}, headers={"If-Match": etag})
    for method in ("PUT", "PATCH", "DELETE"):
        await api.problem(method, path, 412, json={"description": "second"}, headers={"If-Match": etag})
    assert (await api.ok("GET", path))["data"]["description"] == "first"


async def test_an_assistant_of_this_runtime_names_an_ai_or_a_team(api: Api) -> None:
    ai = await api.new_ai()
    own = {"provider": "aicall", "configuration": {"assistance_id": ai["id"]}}
    made = await make(api, **own)
    assert (made["protocol"], made["configuration"]) == ("websocket", {"assistance_id": ai["id"]})
    wrong = {"configuration": {"assistance_id": ai["id"], "assistance_type": "team"}}
    field = {"configuration.assistance_id": ["there is no such AI or team"]}
    assert await errors(api, "PUT", f"{PATH}/{made['id']}", wrong) == field
    async with tenant(api) as other:
        assert await errors(other, "POST", PATH, {"name": "x", **own}) == field
    # Whatever became of the AI, what else the assistant is can still be changed.
    await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
    await api.ok("PUT", f"{PATH}/{made['id']}", json={"status": "inactive"})


async def test_only_an_assistant_of_this_runtime_has_a_media_url(api: Api) -> None:
    ai = await api.new_ai()
    made = await make(api, provider="aicall", configuration={"assistance_id": ai["id"]})
    answers = [await api.http.post(f"{PATH}/{made['id']}/media_token") for _ in range(2)]
    first, second = [it.json()["media_url"].split("/ws/")[1].split("/") for it in answers]
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert answers[0].headers["cache-control"] == "no-store"
    await api.problem("POST", f"{PATH}/{(await make(api))['id']}/media_token", 409)


async def test_ids(api: Api) -> None:
    for wrong in ("0", "-1", "x", str(2**63)):
        assert list((await api.problem("GET", f"{PATH}/{wrong}", 422))["errors"]) == ["id"]
    await api.problem("GET", f"{PATH}/{2**63 - 1}", 404)


async def test_who_may_only_read_changes_nothing(api: Api) -> None:
    path = f"{PATH}/{(await make(api))['id']}"
    async with tenant(api, "read") as reader:
        assert await names(reader) == []
        await reader.problem("POST", PATH, 403, json={"name": "x", **SIP})
        for method in ("PUT", "PATCH", "DELETE"):
            await reader.problem(method, path, 403, json={"name": "x"})
        await reader.problem("GET", path, 404)
