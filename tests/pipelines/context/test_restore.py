from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from models.ids import NIL_ID
from models.message import Message, Role, ToolCall
from pipelines.context.cut import best_cut, head_length, role_of, summary_message, summary_of, told
from pipelines.context.restore import Summary, paired, restore_context, restore_variables
from tests.pipelines.context.talk import Talk, assert_paired, call, entry, result, talks

_AICALL = uuid4()
_START = datetime(2026, 3, 1, tzinfo=UTC)
_ROLES = {"user": Role.USER, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT, "tool": Role.TOOL}


def stored(
    role: Role, content: str = "", *, id_: UUID | None = None, reply_to: UUID = NIL_ID, **fields: Any
) -> Message:
    return Message(
        id=id_ or uuid4(),
        customer_id=_AICALL,
        aicall_id=_AICALL,
        role=role,
        content=content,
        in_reply_to_message_id=reply_to,
        tm_create=_START,
        **fields,
    )


def written(message: LLMContextMessage) -> Message:
    """What the runtime stores of a message of a context."""
    fields = cast("dict[str, Any]", message)
    calls = [ToolCall.model_validate(one) for one in fields.get("tool_calls") or ()]
    return stored(
        _ROLES[role_of(message)],
        fields.get("content") or "",
        tool_calls=calls,
        tool_call_id=fields.get("tool_call_id", ""),
    )


@given(talks(closed=True))
def test_a_context_that_was_written_message_by_message_is_restored(talk: Talk) -> None:
    talk = [message for message in talk if role_of(message) != "system"]
    assert restore_context([written(message) for message in talk]) == paired(talk)


@given(talks(closed=True), st.integers(0, 400), st.text(min_size=1), talks(closed=True))
def test_a_summary_is_restored_where_it_stood(talk: Talk, keep: int, text: str, later: Talk) -> None:
    talk = [message for message in paired(talk) if role_of(message) != "system"]
    # Ids of calls are new in each answer.
    later = [message for message in later if role_of(message) in {"user", "developer"}]
    cut = best_cut(talk, keep)
    live = [summary_message(text), *talk[cut:], *later]
    note = stored(Role.NOTIFICATION, Summary(text, told(talk[cut:])).note())
    rows = [*map(written, talk), note, *map(written, later)]
    if told(talk[:cut]):
        assert restore_context(rows) == live
    restored = restore_context(rows)
    assert_paired(restored)
    assert summary_of(restored[0]) == text


@given(talks(closed=True), st.integers(0, 400))
def test_what_was_left_out_stays_left_out(talk: Talk, keep: int) -> None:
    talk = [message for message in paired(talk) if role_of(message) != "system"]
    cut = best_cut(talk, keep)
    if cut == head_length(talk):
        return
    note = stored(Role.NOTIFICATION, Summary("", told(talk[cut:])).note())
    assert restore_context([*map(written, talk), note]) == talk[cut:]


@given(talks(closed=True), st.data())
def test_whatever_was_lost_calls_and_results_are_paired(talk: Talk, data: st.DataObject) -> None:
    rows = [written(message) for message in talk if role_of(message) != "system"]
    kept = [row for row in rows if data.draw(st.booleans())]
    assert_paired(restore_context(kept))


@given(st.lists(st.integers(0, 3), max_size=6))
def test_questions_that_waited_stand_before_their_answers(answers: list[int]) -> None:
    questions = [stored(Role.USER, f"question {number}") for number in range(len(answers))]
    replies = [
        stored(Role.ASSISTANT, f"answer {number} of {question.content}", reply_to=question.id)
        for question, count in zip(questions, answers, strict=True)
        for number in range(count)
    ]
    live: list[str] = []
    for question in questions:
        own = [reply.content for reply in replies if reply.in_reply_to_message_id == question.id]
        live += [question.content, *own] if own else []
    waiting = {question.id for question, count in zip(questions, answers, strict=True) if not count}
    # All questions had come before the first answer.
    restored = restore_context([*questions, *replies], waiting=waiting)
    assert [cast("Any", message)["content"] for message in restored] == live


def test_an_instruction_is_restored_as_one() -> None:
    assert restore_context([stored(Role.SYSTEM, "Be brief.")]) == [entry("developer", "Be brief.")]


def test_a_call_whose_result_was_lost_says_so() -> None:
    rows = [written(call("c1")), stored(Role.USER, "hello?")]
    assert restore_context(rows)[1] == result("c1", "CANCELLED")


def test_other_notifications_are_not_shown_to_the_model() -> None:
    rows = [stored(Role.NOTIFICATION, content) for content in ("[]", "no JSON", '{"type": "member_switched"}')]
    broken = [stored(Role.NOTIFICATION, json.dumps({"type": "context_summary", "summary": 1, "kept": -1}))]
    assert restore_context([*rows, *broken]) == []


def test_an_assistant_that_said_nothing_is_left_out() -> None:
    assert restore_context([stored(Role.ASSISTANT)]) == []


def test_variables_are_those_that_were_set() -> None:
    def setting(id_: str, arguments: str, outcome: str) -> list[Message]:
        function = {"name": "set_variables", "arguments": arguments}
        one = ToolCall.model_validate({"id": id_, "function": function})
        answer = json.dumps({"result": outcome})
        return [stored(Role.ASSISTANT, tool_calls=[one]), stored(Role.TOOL, answer, tool_call_id=id_)]

    rows = [
        *setting("c1", '{"variables": {"a": "1", "b": "1"}}', "success"),
        *setting("c2", '{"variables": {"b": "2"}}', "success"),
        *setting("c3", '{"variables": {"b": "3"}}', "failed"),
        *setting("c4", "no JSON", "success"),
    ]
    assert restore_variables(rows) == {"a": "1", "b": "2"}
