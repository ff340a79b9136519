import json

import pytest

from models.message import ToolCall, ToolCallFunction
from models.tools import ToolState
from pipelines.tools.result import MOST_CHARS, ToolResult


def test_success() -> None:
    result = ToolResult(ok=True, message="remembered", data={"variables": {"a": "1"}})
    assert result.document() == {"result": "success", "message": "remembered", "variables": {"a": "1"}}


def test_failure() -> None:
    assert ToolResult.failed("no such call").document() == {"result": "failed", "message": "no such call"}


def test_text_is_json_that_people_can_read() -> None:
    result = ToolResult(ok=True, data={"name": "Müller 👋"})
    assert json.loads(result.text()) == result.document()
    assert "Müller 👋" in result.text()


@pytest.mark.parametrize("why", [ToolState.FAILED, ToolState.CANCELLED, ToolState.TIMED_OUT])
def test_how_it_ended(why: ToolState) -> None:
    assert ToolResult(ok=True).state is ToolState.DONE
    assert ToolResult.failed("no", why).state is why


def test_the_event_tells_nothing_that_was_said() -> None:
    call = ToolCall(id="call_1", function=ToolCallFunction(name="send_email", arguments='{"subject": "secret"}'))
    result = ToolResult(ok=True, message="secret", data={"a": "secret"}, duration_ms=12.5)
    assert result.event_data(call) == {
        "tool_call_id": "call_1",
        "name": "send_email",
        "state": "done",
        "duration_ms": 12.5,
    }


@pytest.mark.parametrize("data", [{"a": "x" * 20_000}, {"a": ['"\n' * 5_000]}, {str(n): "é" for n in range(5_000)}])
def test_what_is_too_long_is_cut(data: dict[str, object]) -> None:
    result = ToolResult(ok=True, message="found", data=data)
    document = result.document()
    assert len(result.text()) <= MOST_CHARS
    assert (document["result"], document["message"], document["truncated"]) == ("success", "found", True)
    assert json.dumps(data, ensure_ascii=False).startswith(document["beginning"])
    assert len(document["beginning"]) > 5_000


def test_what_just_fits_is_left_alone() -> None:
    result = ToolResult(ok=True, data={"a": "x" * (MOST_CHARS - 50)})
    assert result.document()["a"] == result.data["a"]


def test_a_message_that_is_too_long() -> None:
    assert len(ToolResult.failed("x" * 30_000).text()) <= MOST_CHARS
