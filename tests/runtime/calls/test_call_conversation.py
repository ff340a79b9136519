"""What a conversation goes on from. That one is made and runs is seen in test_call_worker.py and test_reattach.py."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.message import Direction, Message, Role, ToolCall, ToolCallFunction
from runtime.calls.call_conversation import past_of, stored_past
from tests.adapters.store.samples import at, make_aicall, make_message
from tests.runtime.calls.wires import services_in

AICALL = make_aicall()


def user(text: str = "Hello") -> Message:
    return make_message(AICALL, content=text)


def bot(text: str = "Good day", **fields: Any) -> Message:
    return make_message(AICALL, role=Role.ASSISTANT, content=text, direction=Direction.OUTGOING, **fields)


def tool() -> tuple[Message, Message]:
    call = ToolCall(id="t", function=ToolCallFunction(name="f", arguments="{}"))
    return bot("", tool_calls=[call]), make_message(AICALL, role=Role.TOOL, content="{}", tool_call_id="t")


@pytest.mark.parametrize(
    ("messages", "cut_off", "owed"),
    [
        ([], True, False),
        ([bot()], False, False),
        ([bot(interrupted=True)], True, False),
        ([bot(), user()], False, True),
        ([bot(), user(), *tool()], False, True),
        ([user(), *tool(), bot()], False, False),
    ],
)
def test_what_the_caller_is_owed(messages: list[Message], cut_off: bool, owed: bool) -> None:
    past = past_of(messages)
    assert (past.cut_off, past.owed) == (cut_off, owed)
    assert len(past.messages) == len(messages)


async def test_all_messages_are_read_oldest_first(tmp_path: Path) -> None:
    async with services_in(tmp_path) as services:
        aicall = make_aicall()
        await services.store.create_aicall(aicall)
        for number in range(150):
            said = make_message(aicall, at() + timedelta(seconds=number), content=str(number))
            await services.store.add_message(said)
        assert [message.content for message in await stored_past(services, aicall)] == list(map(str, range(150)))
