"""What may be asked of ``/dtmf``. What becomes of it stands in tests/runtime/calls/test_call_control.py."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.runtime.serving import Api


@pytest.mark.parametrize(
    "body", [{}, {"digits": ""}, {"digits": "x"}, {"digits": "1" * 65}, {"digits": 1}, {"digits": "1\n"}]
)
async def test_keys_that_no_phone_has(api: Api, body: dict[str, Any]) -> None:
    aicall = await api.new_aicall()
    assert await api.wrong_field("POST", f"/v1.0/aicalls/{aicall['id']}/dtmf", json=body) == "digits"


async def test_only_a_call_in_progress_can_be_asked(api: Api) -> None:
    await api.problem("POST", f"/v1.0/aicalls/{uuid4()}/dtmf", 404, json={"digits": "1"})
    for kind in ("call", "conversation"):
        aicall = await api.new_aicall(reference_type=kind)
        problem = await api.problem("POST", f"/v1.0/aicalls/{aicall['id']}/dtmf", 409, json={"digits": "1"})
        assert kind in problem["detail"]
