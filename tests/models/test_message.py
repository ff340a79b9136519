from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from models.message import Direction, Message, Role, ToolCall, ToolCallFunction


def a_message(**fields: Any) -> Message:
    return Message.model_validate(
        {
            "id": UUID(int=1),
            "customer_id": UUID(int=2),
            "aicall_id": UUID(int=3),
            "role": "user",
            "tm_create": datetime(2024, 3, 1, 10, tzinfo=UTC),
            **fields,
        }
    )


def test_enumerations() -> None:
    assert [*Role] == ["system", "user", "assistant", "tool", "notification"]
    assert [*Direction] == ["incoming", "outgoing", ""]


def test_the_public_document() -> None:
    call = ToolCall(id="call_1", function=ToolCallFunction(name="stop_service", arguments="{}"))
    message = a_message(role="assistant", content="Bye", direction="outgoing", interrupted=True, tool_calls=[call])
    public = message.public()
    assert public == {
        "id": str(UUID(int=1)),
        "customer_id": str(UUID(int=2)),
        "aicall_id": str(UUID(int=3)),
        "role": "assistant",
        "content": "Bye",
        "direction": "outgoing",
        "interrupted": True,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "stop_service", "arguments": "{}"}},
        ],
        "tool_call_id": "",
        "in_reply_to_message_id": str(UUID(int=0)),
        "tm_create": "2024-03-01T10:00:00.000000Z",
        "tm_delete": "9999-01-01T00:00:00.000000Z",
    }
    assert Message.model_validate(public) == message


def test_what_may_be_left_out() -> None:
    message = a_message()
    assert (message.content, message.direction, message.interrupted) == ("", Direction.NONE, False)
    assert (message.tool_calls, message.tool_call_id) == ([], "")


@pytest.mark.parametrize("fields", [{"role": "robot"}, {"direction": "sideways"}, {"tool_calls": [{"id": "x"}]}])
def test_wrong_messages(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_message(**fields)
