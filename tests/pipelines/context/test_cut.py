from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMSpecificMessage

from pipelines.context.cut import (
    best_cut,
    boundaries,
    head_length,
    role_of,
    summary_message,
    summary_of,
    told,
    without,
)
from pipelines.context.tokens import context_tokens
from tests.pipelines.context.talk import Talk, assert_paired, call, entry, is_part_of, result, talks

_TOKENS = st.integers(0, 400)


@given(talks(), _TOKENS)
def test_wherever_it_is_cut_calls_and_results_stay_together(talk: Talk, keep: int) -> None:
    assert_paired(without(talk, best_cut(talk, keep)))
    for place in boundaries(talk):
        assert_paired(talk[place:])
        assert_paired(talk[:place])


@given(talks(), _TOKENS)
def test_the_system_prompt_stays_and_so_does_the_order(talk: Talk, keep: int) -> None:
    left = without(talk, best_cut(talk, keep))
    assert is_part_of(left, talk)
    if talk and role_of(talk[0]) == "system":
        assert left[0] is talk[0]


@given(talks(), _TOKENS)
def test_what_is_left_fits_or_cannot_be_cut_further(talk: Talk, keep: int) -> None:
    cut = best_cut(talk, keep)
    later = [place for place in boundaries(talk) if place > cut]
    assert context_tokens(talk[cut:]) <= keep or not later


@given(talks(), _TOKENS)
def test_nothing_is_cut_that_fits(talk: Talk, keep: int) -> None:
    start = head_length(talk)
    if context_tokens(talk[start:]) <= keep:
        assert best_cut(talk, keep) == start


@given(talks())
def test_the_newest_message_is_always_kept(talk: Talk) -> None:
    assert without(talk, best_cut(talk, 0))[-1:] == talk[-1:]


def test_whole_turns_are_left_out() -> None:
    talk = [entry("user", "a" * 350), entry("assistant", "b"), entry("assistant", "c"), entry("user", "d")]
    # From "b" on it would fit, too.
    assert best_cut(talk, 60) == 3


def test_nothing_behind_a_call_without_a_result_is_cut() -> None:
    talk = [
        entry("user", "a"),
        call("c1"),
        result("c1", '{"type": "async_tool", "status": "started", "tool_call_id": "c1"}'),
        entry("user", "b"),
        entry("assistant", "c"),
    ]
    assert boundaries(talk) == [0, 1]


def test_an_instruction_goes_with_what_it_followed() -> None:
    assert boundaries([entry("user", "a"), entry("developer", "b"), entry("user", "c")]) == [0, 2]


def test_what_only_one_vendor_understands_goes_with_what_follows() -> None:
    thought = LLMSpecificMessage(llm="anthropic", message={"type": "thought"})
    assert boundaries([entry("user", "a"), thought, entry("assistant", "b")]) == [0, 1]
    assert role_of(thought) == ""
    assert summary_of(thought) is None


def test_a_summary_belongs_to_the_head() -> None:
    talk = [entry("system", "s"), summary_message("They counted."), entry("user", "u")]
    assert head_length(talk) == 2
    assert summary_of(talk[1]) == "They counted."
    assert summary_of(entry("user", str(talk[1]["content"]))) is None  # type: ignore[index]


def test_what_the_store_knows_is_counted() -> None:
    assert told([entry("system"), entry("developer"), entry("user"), call("c"), result("c"), entry("assistant")]) == 4
