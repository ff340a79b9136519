from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.demo.verdict import shortcomings
from runtime.replay.record import Failure, FailureKind
from tests.runtime.demo.documents import Call


def verdict(call: Call) -> list[str]:
    return shortcomings(call.record, call.aicall, call.messages, call.events)


def test_the_call_as_it_should_be_has_no_shortcomings() -> None:
    assert verdict(Call()) == []


@pytest.mark.parametrize("name", ["initiating", "progressing", "terminating", "terminated"])
def test_a_missing_status(name: str) -> None:
    call = Call()
    call.drop(f"aicall_status_{name}")
    (line,) = verdict(call)
    assert line.startswith("statuses were [")
    assert f"'{name}'" not in line.partition("expected")[0]


def test_a_status_twice() -> None:
    call = Call()
    call.events.insert(1, call.events[1] | {"sequence": 2})
    found = verdict(call)
    assert found[0].startswith("statuses were ")
    assert found[1].startswith("event sequences have gaps")


@pytest.mark.parametrize("number", range(5))
def test_a_missing_turn(number: int) -> None:
    call = Call()
    call.drop("aicall_turn_completed", turn=number)
    assert [line.split(" [")[0] for line in verdict(call)] == ["turns were"]


def test_a_turn_of_another_kind() -> None:
    call = Call()
    call.of(1)["trigger"] = "not_understood"
    (line,) = verdict(call)
    assert "'not_understood'" in line


def no_clear(call: Call) -> None:
    call.record.clears_ms.clear()


def not_interrupted(call: Call) -> None:
    call.of(1)["interrupted"] = False


def another_interrupted(call: Call) -> None:
    call.of(2)["interrupted"] = True


def slow_barge_in(call: Call) -> None:
    call.of(1)["barge_in_ms"] = 1001


def no_keys(call: Call) -> None:
    call.of(3)["user_text"] = ""


def misheard(call: Call) -> None:
    call.drop("aimessage_created", content="thank you goodbye")
    call.of(4)["user_text"] = ""


def heard_as_something_else(call: Call) -> None:
    call.of(1)["user_text"] = "what are your prices"
    next(it for it in call.messages if it["role"] == "user")["content"] = "what are your prices"


def words_before_the_greeting(call: Call) -> None:
    call.of(0)["user_text"] = "thank you goodbye"


def other_number(call: Call) -> None:
    for message in call.messages:
        message["content"] = (
            message["content"].replace("4711", "471") if message["role"] == "tool" else message["content"]
        )


def nobody_remembered(call: Call) -> None:
    call.drop("aimessage_created", role="tool")


def no_answer(call: Call) -> None:
    call.of(2)["bot_text"] = ""


def unstored_question(call: Call) -> None:
    call.drop("aimessage_created", role="user", content="what are your opening hours")


def unstored_answer(call: Call) -> None:
    call.drop("aimessage_created", role="assistant", content="Gladly.")


def hang_up(call: Call) -> None:
    call.aicall["end_reason"] = "hangup"


def still_running(call: Call) -> None:
    call.aicall["status"] = "terminating"


def failed_caller(call: Call) -> None:
    call.record.failure = Failure(FailureKind.NO_ANSWER, 'turn 2 ("hello")')


def gap_in_sequence(call: Call) -> None:
    call.events[5]["sequence"] = 7


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (no_clear, "the barge-in sent no clear"),
        (not_interrupted, "turns cut off by the caller were [], expected [1]"),
        (another_interrupted, "turns cut off by the caller were [1, 2], expected [1]"),
        (slow_barge_in, "the bot went on for 1001 ms after the caller was noticed"),
        (no_keys, "turn 3 was understood as '', the caller gave '4711'"),
        (misheard, "turn 4 was understood as '', the caller gave 'thank you goodbye'"),
        (heard_as_something_else, "turn 1 was understood as 'what are your prices', the caller gave 'what are your op"),
        (words_before_the_greeting, "turn 0 was understood as 'thank you goodbye', the caller gave ''"),
        (other_number, "no tool remembered the number 4711"),
        (nobody_remembered, "no tool remembered the number 4711"),
        (no_answer, "turn 2 has no answer"),
        (unstored_question, "the caller's words of turn 1 are no message"),
        (unstored_answer, "the bot's words of turn 2 are no message"),
        (hang_up, "the call ended by 'hangup', expected the model's stop_service"),
        (still_running, "the AIcall is 'terminating', expected 'terminated'"),
        (failed_caller, 'the caller\'s side failed: no answer: turn 2 ("hello")'),
        (gap_in_sequence, "event sequences have gaps"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_is_missing_is_said(break_it: Callable[[Call], None], said: str) -> None:
    call = Call()
    break_it(call)
    (line,) = verdict(call)
    assert line.startswith(said)


def test_no_events_at_all() -> None:
    call = Call(events=[])
    found = verdict(call)
    assert found[0].startswith("statuses were []")
    assert found[1].startswith("turns were []")


def test_words_that_cut_in_before_the_voice_was_confirmed_are_no_shortcoming() -> None:
    call = Call()
    call.of(1)["barge_in_ms"] = None
    assert verdict(call) == []
