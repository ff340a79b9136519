from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import MarkReached, MediaEvent, Message, Reply
from adapters.media.fork_marks import MAX_PENDING, ForkMarks


def _names(messages: list[Message] | tuple[Message, ...]) -> list[str]:
    return [json.loads(message)["data"]["name"] for message in messages]


def _reached(events: list[MediaEvent]) -> str:
    [mark] = [event for event in events if isinstance(event, MarkReached)]
    return mark.name


def test_a_mark() -> None:
    marks = ForkMarks()
    [message] = marks.send("m1")
    assert json.loads(message) == {"type": "mark", "data": {"name": "m1"}}
    assert marks.reached("m1") == [MarkReached("m1")]


def test_the_31st_waits_for_one_to_come_back() -> None:
    marks = ForkMarks()
    for number in range(MAX_PENDING):
        assert _names(marks.send(f"m{number}")) == [f"m{number}"]
    assert marks.send("late") == marks.send("later") == []
    first, reply = marks.reached("m0")
    assert first == MarkReached("m0")
    assert isinstance(reply, Reply)
    assert _names(reply.messages) == ["late"]
    assert marks.send("last") == []
    for number in range(1, 3):
        [_, reply] = marks.reached(f"m{number}")
        assert isinstance(reply, Reply)
        assert _names(reply.messages) == [["later", "last"][number - 1]]
    assert marks.reached("m3") == [MarkReached("m3")]


def test_a_name_that_the_module_would_break_has_another_on_the_wire() -> None:
    marks = ForkMarks()
    for name in ('a "quoted" name', "a\\b", "a\nb", "#1"):
        [alias] = _names(marks.send(name))
        # The module puts the name into its JSON as it is.
        assert json.loads(f'{{"name":"{alias}"}}') == {"name": alias}
        assert marks.reached(alias) == [MarkReached(name)]


def test_a_mark_that_was_never_sent() -> None:
    marks = ForkMarks()
    assert marks.reached("other") == [MarkReached("other")]
    assert len([message for number in range(40) for message in marks.send(f"m{number}")]) == MAX_PENDING


@given(st.lists(st.booleans(), max_size=200))
def test_never_more_are_pending_than_the_module_holds_and_none_is_lost(steps: list[bool]) -> None:
    marks = ForkMarks()
    pending: list[str] = []
    asked: list[str] = []
    reached: list[str] = []
    for ask in [*steps, *[False] * len(steps)]:
        if ask:
            asked.append(f"m{len(asked)}")
            pending += _names(marks.send(asked[-1]))
        elif pending:
            events = marks.reached(pending.pop(0))
            reached.append(_reached(events))
            pending += [name for event in events if isinstance(event, Reply) for name in _names(event.messages)]
        assert len(pending) <= MAX_PENDING
    assert reached == asked
