from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tests.adapters.vendors import KEY
from tests.runtime.serving import CANARY, Api, serving
from tests.standins.anthropic import AnthropicStandIn
from tests.standins.faults import Faults


async def test_providers_are_shown_without_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with serving(tmp_path) as api:
        document = await api.ok("GET", "/v1.0/providers")
    text = json.dumps(document)
    assert CANARY not in text
    assert "OPENAI_API_KEY" in text
    assert "pocketsphinx" in text


async def test_models_are_those_of_the_account(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AnthropicStandIn() as vendor:
        monkeypatch.setenv("AICALL_BASE_URL_ANTHROPIC", vendor.base_url)
        problem = await api.problem("GET", "/v1.0/providers/anthropic/models", 422)
        assert problem["errors"][0]["field"] == "engine_key"

        ai = await api.new_ai(engine_model="anthropic.claude-sonnet-4-6", engine_key=KEY.get_secret_value())
        listed = await api.ok("GET", "/v1.0/providers/anthropic/models", params={"ai_id": ai["id"]})
        assert "claude-sonnet-4-6" in [offer["id"] for offer in listed["result"]]

        vendor.faults = Faults(status=500)
        await api.problem("GET", "/v1.0/providers/anthropic/models", 502, params={"ai_id": ai["id"]})


async def test_voices_of_a_closed_set_need_no_key(api: Api) -> None:
    listed = await api.ok("GET", "/v1.0/providers/openai/voices")
    assert {"id": "alloy", "name": "", "languages": [], "gender": ""} in listed["result"]


async def test_what_there_is_not_is_told(api: Api) -> None:
    assert (await api.problem("GET", "/v1.0/providers/nobody/voices", 404))["detail"] == "no such tts provider"
    assert (await api.problem("GET", "/v1.0/providers/espeak/voices", 404))["detail"] == "no such list of voices"
    await api.problem("GET", "/v1.0/providers/openai/models", 422, params={"seat": "chef"})
    await api.problem("GET", "/v1.0/providers/anthropic/models", 404, params={"ai_id": str(uuid4())})
