from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from models.timestamps import NOT_YET
from runtime.tokens import verify_token
from tests.runtime.serving import CANARY, Api, an_ai
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import DEFAULT_KEY

SEED_FIELDS = {
    "id",
    "customer_id",
    "name",
    "detail",
    "engine_model",
    "parameter",
    "rag_id",
    "init_prompt",
    "tts_type",
    "tts_voice_id",
    "stt_type",
    "stt_language",
    "vad_config",
    "smart_turn_enabled",
    "tool_names",
    "tm_create",
    "tm_update",
    "tm_delete",
}


async def test_an_ai_lives_and_dies(api: Api) -> None:
    created = await api.http.post("/v1.0/ais", json=an_ai(stt_language="en-US"))
    assert created.status_code == 201
    ai = created.json()
    assert ai.keys() == SEED_FIELDS
    assert (ai["tts_voice_id"], ai["tm_update"]) == ("en-us", "9999-01-01T00:00:00.000000Z")
    assert await api.ok("GET", f"/v1.0/ais/{ai['id']}") == ai

    replaced = await api.ok("PUT", f"/v1.0/ais/{ai['id']}", json={**ai, "name": "Night desk"})
    assert replaced["name"] == "Night desk"
    assert replaced["id"] == ai["id"]
    assert replaced["tm_update"] < "9999"

    deleted = await api.ok("DELETE", f"/v1.0/ais/{ai['id']}")
    assert deleted["tm_delete"] < "9999"
    for method, suffix in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/media_token")):
        body = {"json": an_ai()} if method == "PUT" else {}
        problem = await api.problem(method, f"/v1.0/ais/{ai['id']}{suffix}", 404, **body)
        assert problem["detail"] == "no such ai"


async def test_pages_hold_every_ai_once_newest_first(api: Api) -> None:
    made = [(await api.new_ai(name=f"ai {number}"))["id"] for number in range(5)]
    seen, token = [], ""
    while True:
        page = await api.ok("GET", "/v1.0/ais", params={"page_size": 2, "page_token": token})
        assert page.keys() == {"result", "next_page_token"}
        assert 1 <= len(page["result"]) <= 2
        seen += [ai["id"] for ai in page["result"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == made[::-1]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"engine_model": "gpt-4o"}, "engine_model"),
    ({"engine_model": "nobody.model"}, "engine_model"),
    ({"tts_type": "gramophone"}, "tts_type"),
    ({"tts_type": "hume"}, "tts_voice_id"),
    ({"stt_type": None}, "stt_type"),
    ({"stt_type": "ear_trumpet"}, "stt_type"),
    ({"engine_model": "openai."}, "engine_model"),
    ({"engine_model": ".gpt-4o"}, "engine_model"),
    ({"stt_language": "english please"}, "stt_language"),
    ({"vad_config": {"x": 1}}, "vad_config.x"),
    ({"vad_config": {"Confidence": 0.7}}, "vad_config.Confidence"),
    ({"vad_config": {"confidence": 1.01}}, "vad_config.confidence"),
    ({"vad_config": {"confidence": "high"}}, "vad_config.confidence"),
    ({"vad_config": {"start_secs": -0.1}}, "vad_config.start_secs"),
    ({"vad_config": {"stop_secs": 31}}, "vad_config.stop_secs"),
    ({"vad_config": 5}, "vad_config"),
    ({"tool_names": ["fly"]}, "tool_names"),
    ({"tool_names": [1]}, "tool_names.0"),
    ({"rag_id": "not-a-uuid"}, "rag_id"),
    ({"parameter": {"idle_limit": -1}}, "parameter.idle_limit"),
    ({"parameter": {"stt_key": 5}}, "parameter.stt_key"),
    ({"smart_turn_enabled": "perhaps"}, "smart_turn_enabled"),
    ({"surprise": 1}, "surprise"),
    # Known from the seeds, refused when saved and not when called.
    ({"engine_model": "perplexity.llama-3-sonar-large"}, "engine_model"),
    ({"tts_type": "playht", "tts_voice_id": "x"}, "tts_type"),
    ({"engine_model": "script.no-such-script"}, "engine_model"),
]


async def test_a_wrong_field_is_named_on_create_and_replace(api: Api) -> None:
    ai = await api.new_ai()
    for changes, field in WRONG:
        for method, path in (("POST", "/v1.0/ais"), ("PUT", f"/v1.0/ais/{ai['id']}")):
            assert await api.wrong_field(method, path, json=an_ai(**changes)) == field, changes
    for field in ("name", "engine_model", "init_prompt", "tts_type", "stt_type"):
        body = an_ai()
        del body[field]
        assert await api.wrong_field("POST", "/v1.0/ais", json=body) == field
    assert await api.ok("GET", f"/v1.0/ais/{ai['id']}") == ai
    assert len((await api.ok("GET", "/v1.0/ais"))["result"]) == 1


async def test_every_wrong_field_is_named(api: Api) -> None:
    problem = await api.problem("POST", "/v1.0/ais", 422, json=an_ai(name="", vad_config={"x": 1, "min_volume": 2}))
    assert [error["field"] for error in problem["errors"]] == ["name", "vad_config.min_volume", "vad_config.x"]


async def test_ids(api: Api) -> None:
    assert await api.wrong_field("GET", "/v1.0/ais/not-a-uuid") == "id"
    await api.problem("GET", f"/v1.0/ais/{uuid4()}", 404)


@pytest.mark.parametrize("vendor", [{"engine_model": "openai.gpt-4o"}])
async def test_keys_are_kept_encrypted_and_never_answered(api: Api, vendor: dict[str, Any]) -> None:
    body = an_ai(**vendor, engine_key=CANARY, parameter={"stt_key": f"stt-{CANARY}", "greeting": "Hi"})
    created = await api.http.post("/v1.0/ais", json=body)
    assert created.status_code == 201, created.text
    ai = created.json()
    assert ai["parameter"] == {"greeting": "Hi"}
    answers = [
        created.text,
        (await api.http.get(f"/v1.0/ais/{ai['id']}")).text,
        (await api.http.get("/v1.0/ais")).text,
        (await api.http.put(f"/v1.0/ais/{ai['id']}", json=an_ai(**vendor))).text,
    ]
    kept = (await api.services.store.get_ai(created_id(ai), customer_id=None)).secrets
    assert kept.engine_key == SecretStr(CANARY)
    assert kept.stt_key == SecretStr(f"stt-{CANARY}")
    answers.append((await api.http.delete(f"/v1.0/ais/{ai['id']}")).text)
    assert not [answer for answer in answers if CANARY in answer or "engine_key" in answer]


def created_id(document: dict[str, Any]) -> Any:
    from uuid import UUID

    return UUID(document["id"])


async def test_a_media_token_is_shown_once_and_replaced(api: Api) -> None:
    ai = await api.new_ai()
    tokens = []
    for _ in range(2):
        url = (await api.ok("POST", f"/v1.0/ais/{ai['id']}/media_token"))["media_url"]
        base, _, token = url.rpartition("/")
        assert base == api.url.replace("http", "ws") + f"/ws/{ai['id']}"
        tokens.append(token)
    grant = await api.services.store.get_grant(created_id(ai))
    assert grant is not None
    assert grant.tm_expire == NOT_YET
    assert [verify_token(token, grant.token_sha256) for token in tokens] == [False, True]
    assert tokens[1] not in (await api.http.get(f"/v1.0/ais/{ai['id']}")).text


async def test_keys_are_verified_when_asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AnthropicStandIn() as vendor:
        monkeypatch.setenv("AICALL_BASE_URL_ANTHROPIC", vendor.base_url)
        wrong = an_ai(engine_model="anthropic.claude-sonnet-4-6", engine_key=CANARY)
        problem = await api.problem("POST", "/v1.0/ais", 422, json=wrong, params={"verify": "true"})
        assert problem["errors"][0]["field"] == "engine_key"
        assert CANARY not in str(problem)
        assert not (await api.ok("GET", "/v1.0/ais"))["result"]

        stored = await api.new_ai(**wrong)
        for body, status in ((wrong, 422), ({**wrong, "engine_key": DEFAULT_KEY}, 200)):
            answer = await api.http.put(f"/v1.0/ais/{stored['id']}", json=body, params={"verify": "true"})
            assert answer.status_code == status
