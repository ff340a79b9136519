"""Contexts of any kind for property tests, and the invariants that hold for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContextMessage

from pipelines.context.cut import role_of

Talk = list[LLMContextMessage]


def entry(role: str, content: str = "", **fields: Any) -> LLMContextMessage:
    return cast("LLMContextMessage", {"role": role, "content": content, **fields})


def call(*ids: str, text: str | None = None) -> LLMContextMessage:
    calls = [{"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}} for id_ in ids]
    content = {} if text is None else {"content": text}
    return cast("LLMContextMessage", {"role": "assistant", "tool_calls": calls, **content})


def result(id_: str, content: str = '{"result": "success"}') -> LLMContextMessage:
    return entry("tool", content, tool_call_id=id_)


_TEXT = st.text(max_size=60)


@st.composite
def talks(draw: st.DrawFn, *, closed: bool = False) -> Talk:
    """A conversation as Pipecat writes it: turns, instructions, calls alone and together, some without result yet."""
    messages: Talk = []
    number = 0
    if draw(st.booleans()):
        messages.append(entry("system", draw(_TEXT)))
    for kind in draw(st.lists(st.sampled_from("uaidcpo"), max_size=14)):
        match kind:
            case "u":
                messages.append(entry("user", draw(_TEXT)))
            case "a" | "i":
                messages.append(entry("assistant", draw(_TEXT.filter(bool))))
            case "d":
                messages.append(entry("developer", draw(_TEXT)))
            case "c":
                number += 1
                messages += [call(f"c{number}"), result(f"c{number}")]
            case "p":
                # Two at a time, their results behind both.
                number += 2
                messages += [call(f"c{number - 1}"), call(f"c{number}")]
                messages += [result(f"c{number}"), result(f"c{number - 1}")]
            case _ if not closed:
                number += 1
                messages += [call(f"c{number}"), result(f"c{number}", "IN_PROGRESS")]
            case _:
                pass
    return messages


def assert_paired(messages: Sequence[LLMContextMessage]) -> None:
    """Every call has exactly one result, behind it, and no result is without its call."""
    open_calls: set[str] = set()
    done: set[str] = set()
    for message in messages:
        fields = cast("dict[str, Any]", message)
        for one in fields.get("tool_calls") or ():
            assert one["id"] not in open_calls | done
            open_calls.add(one["id"])
        if role_of(message) == "tool":
            assert fields["tool_call_id"] in open_calls
            open_calls.discard(fields["tool_call_id"])
            done.add(fields["tool_call_id"])
    assert not open_calls


def is_part_of(part: Sequence[LLMContextMessage], whole: Sequence[LLMContextMessage]) -> bool:
    """Whether the part is the whole with some messages left out, order kept."""
    left = iter(whole)
    return all(any(message is other for other in left) for message in part)
