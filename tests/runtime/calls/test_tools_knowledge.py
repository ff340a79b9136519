"""A caller's question that the model looks up: a real server, its store, and vendors on loopback (issue 5, item 10)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.calls.offices import office
from tests.runtime.calls.phones import dial
from tests.runtime.calls.test_tools import WAIT_S, tool_results
from tests.standins.replies import ChatRequest, Reply, Script

RULES = "# Pets\n\nDogs are welcome in the garden.\n\n# Parking\n\nThe car park is free."


async def test_the_model_reads_what_was_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(request: ChatRequest) -> Reply:
        if any(it.role == "tool" for it in request.messages):
            return Reply("Yes, in the garden.")
        return Reply("", [("search_knowledge", {"query": "May I bring my dog?"})])

    async with office(tmp_path, monkeypatch) as it:
        it.openai.script = Script(script)
        rag = await it.api.http.post("/v1.0/rags", json={"name": "hotel"})
        uploaded = await it.api.http.post(
            f"/v1.0/rags/{rag.json()['id']}/documents",
            params={"name": "rules.md"},
            content=RULES,
            headers={"Content-Type": "text/markdown"},
        )
        assert uploaded.status_code == 201
        aicall = await it.new_aicall(tool_names=["all"], rag_id=rag.json()["id"])
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            await phone.say()
            await it.openai.until(lambda: any(tool_results(each.body) for each in it.openai.requests), WAIT_S)
        results = [text for each in it.openai.requests for text in tool_results(each.body)]
        found = json.loads(results[0])
        assert found["result"] == "success"
        assert "Dogs are welcome" in results[0]
        assert "rules.md" in results[0]
        assert "Pets" in results[0]


async def test_an_ai_without_a_knowledge_base_is_not_offered_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, monkeypatch) as it:
        aicall = await it.new_aicall(tool_names=["all"])
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.until(lambda: phone.of("mark"))
            await phone.say()
            await it.openai.until(lambda: bool(it.openai.requests_to("chat")), WAIT_S)
        offered = [tool["function"]["name"] for tool in it.openai.requests_to("chat")[0].body["tools"]]
        assert "stop_service" in offered
        assert "search_knowledge" not in offered
