from __future__ import annotations

import asyncio
from uuid import uuid4

from models.ids import DEFAULT_CUSTOMER_ID
from tests.runtime.api.resources import tenant
from tests.runtime.serving import Api, an_ai

CUSTOMERS = "/v1.0/customers"


async def test_a_customer_lives_and_dies(api: Api) -> None:
    created = await api.http.post(CUSTOMERS, json={"name": "Dentist", "max_calls": 3, "prices": {"stt": 0.5}})
    assert created.status_code == 201
    customer = created.json()
    path = f"{CUSTOMERS}/{customer['id']}"
    assert customer["prices"] == {"llm_input": 0.0, "llm_output": 0.0, "tts": 0.0, "stt": 0.5}
    assert await api.ok("GET", path) == customer
    replaced = await api.ok("PUT", path, json={**customer, "name": "Baker"})
    assert (replaced["name"], replaced["max_calls"]) == ("Baker", 3)
    listed = (await api.ok("GET", CUSTOMERS))["result"]
    assert [it["id"] for it in listed] == [customer["id"], str(DEFAULT_CUSTOMER_ID)]
    assert (await api.ok("DELETE", path))["tm_delete"] < "9999"
    for method in ("GET", "PUT", "DELETE"):
        await api.problem(method, path, 404, json={"name": "x"})
    assert await api.wrong_field("POST", CUSTOMERS, json={"name": "x", "max_calls": -1}) == "max_calls"


async def test_the_default_customer_stays(api: Api) -> None:
    path = f"{CUSTOMERS}/{DEFAULT_CUSTOMER_ID}"
    await api.problem("DELETE", path, 409)
    assert (await api.new_ai())["customer_id"] == str(DEFAULT_CUSTOMER_ID)


async def test_a_key_is_shown_once_and_opens_until_it_is_revoked(api: Api) -> None:
    customer = await api.ok("POST", CUSTOMERS, json={"name": "Dentist"})
    path = f"{CUSTOMERS}/{customer['id']}/api_keys"
    created = await api.http.post(path, json={"name": "till", "scopes": ["write", "read"]})
    assert (created.status_code, created.headers["cache-control"]) == (201, "no-store")
    document = created.json()
    key = document.pop("key")
    assert key.startswith(document["prefix"] + "_")
    for answer in (await api.http.get(path), await api.http.get(f"{path}/{document['id']}")):
        assert key.rpartition("_")[2] not in answer.text
    assert (await api.ok("GET", path))["result"] == [document]

    bearer = {"Authorization": f"Bearer {key}"}
    ai = (await api.http.post("/v1.0/ais", json=an_ai(), headers=bearer)).json()
    assert ai["customer_id"] == customer["id"]
    await api.problem("GET", f"/v1.0/ais/{ai['id']}", 404)
    assert (await api.ok("GET", f"{path}/{document['id']}"))["tm_last_used"] < "9999"

    await api.ok("DELETE", f"{path}/{document['id']}")
    await api.problem("DELETE", f"{path}/{document['id']}", 404)
    async with asyncio.timeout(20):
        while (await api.http.get("/v1.0/ais", headers=bearer)).status_code != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await api.ok("GET", path))["result"] == []


async def test_keys_that_cannot_be(api: Api) -> None:
    customer = await api.ok("POST", CUSTOMERS, json={"name": "Dentist"})
    path = f"{CUSTOMERS}/{customer['id']}/api_keys"
    assert await api.wrong_field("POST", path, json={"scopes": ["admin"]}) == "scopes"
    assert await api.wrong_field("POST", path, json={"scopes": []}) == "scopes"
    assert await api.wrong_field("POST", path, json={"scopes": ["root"]}) == "scopes.0"
    await api.problem("POST", f"{CUSTOMERS}/{uuid4()}/api_keys", 404, json={"scopes": ["read"]})
    own = f"{CUSTOMERS}/{DEFAULT_CUSTOMER_ID}/api_keys"
    key = (await api.ok("POST", own, json={"scopes": ["admin"]}))["key"]
    await api.ok("GET", CUSTOMERS, headers={"Authorization": f"Bearer {key}"})


async def test_a_customer_has_as_many_calls_as_it_may(api: Api) -> None:
    async with tenant(api, max_calls=2) as busy, tenant(api) as other:
        ai = await busy.new_ai()
        calls = [await busy.new_aicall(ai) for _ in range(2)]
        body = {"assistance_id": ai["id"]}
        refused = await busy.http.post("/v1.0/aicalls", json=body)
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        await other.new_aicall()
        await busy.ok("POST", f"/v1.0/aicalls/{calls[0]['id']}/terminate")
        await busy.new_aicall(ai)
        await busy.problem("POST", "/v1.0/aicalls", 429, json=body)
