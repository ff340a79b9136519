from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.llm.script_dialogue import Event, EventKind, Reply, answer, events_of
from adapters.llm.script_file import load_script, parse_script
from adapters.llm.script_model import Call
from models.prompts import CALL_CONNECTED, CALLER_SILENT, NOT_UNDERSTOOD, NOT_UNDERSTOOD_INTERRUPTED

SCRIPT = parse_script(
    """
greeting: [Hello., Hello again.]
no_match: ["What?", "Pardon?"]
not_understood: Again?
idle: ["Still there?", "Hello?"]
slots: {day: [monday, friday], name: any}
rules:
- {when: yes, in: asked, say: Good., goto: start}
- {when: yes, say: "Yes to what?"}
- {when: ask me, say: "Sure?", goto: asked}
- {when: "open on {day}", say: "On {day}, yes."}
- {when: "note {name}", call: {tool: note, arguments: {who: "{name}", list: ["{name}"], n: 1}},
   then: {say: "Noted {result.id} for {name}.", else_say: "No: {result.message}"}, else_say: "Cannot note {name}."}
- {when: save, say: Saving., call: {tool: note}}
- {when: help me, call: {tool: help}}
- {dtmf: '\\d{4}', say: "Got {digits|spell}."}
- {when: [bye, bye bye], say: See you., hangup: true}
- {when: a rose is, say: part}
- {when: a rose is a rose, say: whole}
"""
)
TOOLS = frozenset({"note", "stop_service"})


def say(*texts: str, tools: frozenset[str] = TOOLS) -> Reply:
    return answer(SCRIPT, [Event(EventKind.SAID, text) for text in texts], tools)


def after(text: str, result: str) -> str:
    return answer(SCRIPT, [Event(EventKind.SAID, text), Event(EventKind.RESULT, result)], TOOLS).say


def test_greets_when_nothing_was_said() -> None:
    assert answer(SCRIPT, events_of([]), TOOLS) == Reply("Hello.")
    assert answer(SCRIPT, events_of([{"role": "system", "content": "Be nice."}]), TOOLS) == Reply("Hello.")
    assert answer(SCRIPT, events_of([{"role": "developer", "content": CALL_CONNECTED}]), TOOLS) == Reply("Hello.")


def test_slots_reach_the_answer() -> None:
    assert say("Open on Friday?") == Reply("On friday, yes.")


def test_the_whole_fits_before_the_part() -> None:
    assert say("a rose is a rose").say == "whole"
    assert say("but a rose is a flower").say == "part"


def test_states_lead_through_the_dialogue() -> None:
    assert say("yes").say == "Yes to what?"
    assert say("ask me", "yes").say == "Good."
    assert say("ask me", "nonsense", "yes").say == "Good."
    assert say("ask me", "yes", "yes").say == "Yes to what?"


def test_texts_are_used_in_turn() -> None:
    assert [say(*["nonsense"] * count).say for count in (1, 2, 3)] == ["What?", "Pardon?", "What?"]
    silent = [Event(EventKind.SILENT)] * 2
    assert answer(SCRIPT, silent, TOOLS).say == "Hello?"


def test_prompts_of_the_runtime_are_events() -> None:
    kinds = {
        NOT_UNDERSTOOD: EventKind.NOT_UNDERSTOOD,
        NOT_UNDERSTOOD_INTERRUPTED: EventKind.NOT_UNDERSTOOD,
        CALLER_SILENT: EventKind.SILENT,
        CALL_CONNECTED: EventKind.CONNECTED,
    }
    for prompt, kind in kinds.items():
        assert events_of([{"role": "developer", "content": prompt}]) == [Event(kind)]
    assert answer(SCRIPT, [Event(EventKind.NOT_UNDERSTOOD)], TOOLS).say == "Again?"


def test_keypad_entries_are_events() -> None:
    def entry(keys: str) -> str:
        return answer(SCRIPT, events_of([{"role": "user", "content": f"DTMF: {keys}"}]), TOOLS).say

    assert entry("4711#") == entry("4711") == "Got 4 7 1 1."
    assert entry("47#") == entry("#") == entry("47112#") == "What?"
    assert say("4711").say == "What?"


def test_calls_tools_with_filled_arguments() -> None:
    assert say("note Ada King") == Reply(
        "", Call(tool="note", arguments={"who": "ada king", "list": ["ada king"], "n": 1})
    )
    assert say("save") == Reply("Saving.", Call(tool="note"))


def test_says_what_a_tool_brought() -> None:
    assert after("note ada", '{"result": "success", "id": 7}') == "Noted 7 for ada."
    assert after("note ada", '{"result": "failed", "message": "full"}') == "No: full"
    assert after("note ada", "CANCELLED") == "No: "
    assert after("note ada", "not json") == "Noted  for ada."
    assert after("save", '{"result": "success"}') == ""
    assert answer(SCRIPT, [Event(EventKind.RESULT, "{}")], TOOLS) == Reply()


def test_tools_that_are_not_offered_are_not_called() -> None:
    none: frozenset[str] = frozenset()
    assert say("note ada", tools=none) == Reply("Cannot note ada.")
    assert say("help me", tools=TOOLS) == Reply("I am sorry, I cannot do that.")
    assert say("bye", tools=none) == Reply("See you.")


def test_hangs_up() -> None:
    assert say("Bye bye!") == Reply("See you.", Call(tool="stop_service"))


def test_reads_a_conversation() -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be nice."},
        {"role": "developer", "content": "Something else."},
        {"role": "user", "content": [{"type": "text", "text": "ask"}, {"type": "text", "text": "me"}]},
        {"role": "assistant", "content": "Sure?"},
        {"role": "user", "content": " "},
        {"role": "user", "content": "save"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "note", "arguments": "{}"}}]},
        {"role": "tool", "content": "IN_PROGRESS", "tool_call_id": "1"},
        {"role": "tool", "content": '{"id": 1}', "tool_call_id": "1"},
        object(),
    ]
    assert events_of(messages) == [
        Event(EventKind.SAID, "ask me"),
        Event(EventKind.SAID, "save"),
        Event(EventKind.RESULT, '{"id": 1}'),
    ]


@given(
    st.lists(
        st.builds(
            Event, st.sampled_from(EventKind), st.text(max_size=10) | st.sampled_from(["yes", "save", "bye", "1234"])
        ),
        min_size=1,
        max_size=12,
    ),
    st.frozensets(st.sampled_from(["note", "help", "stop_service"])),
)
def test_any_conversation_has_an_answer_with_offered_tools_only(events: list[Event], tools: frozenset[str]) -> None:
    reply = answer(SCRIPT, events, tools)
    assert reply == answer(SCRIPT, events, tools)
    assert reply.call is None or reply.call.tool in tools
    assert reply.say or reply.call or events[-1].kind is EventKind.RESULT


@pytest.mark.parametrize(
    ("texts", "said", "tool"),
    [
        (["What are your opening hours?"], "We are open", None),
        (["how much is a check up"], "forty euros", None),
        (["where are you located"], "Market Street", None),
        (["I would like to make an appointment."], "keypad", None),
        (["i would like to make an appointment", "DTMF: 12#"], "three to ten", None),
        (["i would like to make an appointment", "DTMF: 4711#"], "", "set_variables"),
        (["thank you goodbye"], "Goodbye!", "stop_service"),
    ],
)
def test_the_receptionist_knows_her_part(texts: list[str], said: str, tool: str | None) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    reply = answer(load_script("receptionist"), events_of(messages), frozenset({"set_variables", "stop_service"}))
    assert said in reply.say
    assert (reply.call.tool if reply.call else None) == tool


def test_the_receptionist_confirms_the_number() -> None:
    messages = [
        {"role": "user", "content": "can i book an appointment"},
        {"role": "user", "content": "DTMF: 4711#"},
        {"role": "tool", "content": '{"result": "success"}'},
    ]
    reply = answer(load_script("receptionist"), events_of(messages), frozenset({"set_variables"}))
    assert "4 7 1 1" in reply.say
