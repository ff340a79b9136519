import json

from pipelines.tools.result import ToolResult


def test_success() -> None:
    result = ToolResult(ok=True, message="remembered", data={"variables": {"a": "1"}})
    assert result.document() == {"result": "success", "message": "remembered", "variables": {"a": "1"}}


def test_failure() -> None:
    assert ToolResult.failed("no such call").document() == {"result": "failed", "message": "no such call"}


def test_text_is_json_that_people_can_read() -> None:
    result = ToolResult(ok=True, data={"name": "Müller 👋"})
    assert json.loads(result.text()) == result.document()
    assert "Müller 👋" in result.text()
