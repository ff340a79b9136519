from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.serving import CANARY, serving


async def test_providers_are_shown_without_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    async with serving(tmp_path) as api:
        document = await api.ok("GET", "/v1.0/providers")
    text = json.dumps(document)
    assert CANARY not in text
    assert "OPENAI_API_KEY" in text
    assert "pocketsphinx" in text
