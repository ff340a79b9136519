from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext, LLMSpecificMessage

from pipelines.context.cut import summary_of
from pipelines.context.keeper import ContextKeeper, transcript
from pipelines.context.restore import Summary
from pipelines.context.tokens import context_tokens
from tests.pipelines.context.talk import Talk, assert_paired, call, entry, result

pytestmark = pytest.mark.virtual_time

BUDGET = 1000


class Kept:
    """A context of turns of about 100 tokens each, and its keeper."""

    def __init__(self, turns: int, summarize: Callable[[str, int], Awaitable[str]]) -> None:
        self.context = LLMContext(messages=cast("Any", [entry("system", "Be kind.")]))
        self.cuts: list[Summary] = []
        self.keeper = ContextKeeper(self.context, BUDGET, summarize, self.cuts.append, timeout_s=5.0)
        self._turns = 0
        self.speak(turns)

    def speak(self, turns: int) -> None:
        for _ in range(turns):
            self._turns += 1
            self.context.add_message(entry("user", f"question {self._turns} " + "x" * 120))
            self.context.add_message(entry("assistant", f"answer {self._turns} " + "x" * 120))

    @property
    def messages(self) -> Talk:
        return self.context.messages

    @property
    def text(self) -> str:
        return transcript(self.messages)


async def never(text: str, limit_tokens: int) -> str:
    del text, limit_tokens
    raise AssertionError("no summary was to be made")


async def test_a_context_within_its_budget_is_left_alone() -> None:
    kept = Kept(6, never)
    before = list(kept.messages)
    kept.keeper.settle()
    assert not kept.keeper.busy
    assert kept.messages == before


async def test_the_older_part_is_summed_up_while_the_talk_goes_on() -> None:
    asked: list[tuple[str, int]] = []
    ready = asyncio.Event()

    async def summarize(text: str, limit_tokens: int) -> str:
        asked.append((text, limit_tokens))
        await ready.wait()
        return " They asked a lot. "

    kept = Kept(8, summarize)
    kept.keeper.settle()
    await asyncio.sleep(0)
    ((text, limit),) = asked
    assert "question 1" in text
    assert "question 8" not in text
    assert limit == 150
    kept.speak(1)
    # Nothing changes, and nobody waits, until it is ready.
    kept.keeper.settle()
    assert "question 1 " in kept.text
    ready.set()
    await kept.keeper.wait()
    assert "question 1 " in kept.text
    kept.keeper.settle()
    assert [message["content"] for message in cast("Any", kept.messages[:1])] == ["Be kind."]
    assert summary_of(kept.messages[1]) == "They asked a lot."
    assert "question 1 " not in kept.text
    # What was said while it was made is there.
    assert "answer 9" in kept.text
    assert context_tokens(kept.messages) < BUDGET * 0.7
    assert kept.cuts == [Summary("They asked a lot.", len(kept.messages) - 2)]


async def test_the_next_summary_takes_up_the_one_before() -> None:
    texts: list[str] = []

    async def summarize(text: str, limit_tokens: int) -> str:
        del limit_tokens
        texts.append(text)
        return f"summary {len(texts)}"

    kept = Kept(8, summarize)
    for _ in range(2):
        kept.keeper.settle()
        await kept.keeper.wait()
        kept.keeper.settle()
        kept.speak(5)
    assert "summary 1" in texts[1]
    assert "summary 1" not in kept.text
    assert summary_of(kept.messages[1]) == "summary 2"


@pytest.mark.parametrize("failure", ["raises", "is empty", "never comes"])
async def test_where_no_summary_comes_the_oldest_turns_are_left_out_whole(failure: str) -> None:
    async def summarize(text: str, limit_tokens: int) -> str:
        del text, limit_tokens
        if failure == "raises":
            raise RuntimeError("the vendor is down")
        if failure == "never comes":
            await asyncio.sleep(1000)
        return ""

    kept = Kept(8, summarize)
    kept.keeper.settle()
    await kept.keeper.wait()
    kept.keeper.settle()
    # There is still room, so nothing is lost, and the vendor is not asked at each turn.
    assert "question 1 " in kept.text
    assert not kept.keeper.busy
    kept.speak(4)
    kept.keeper.settle()
    assert "Be kind." in kept.text
    assert "question 1 " not in kept.text
    assert "answer 12" in kept.text
    assert cast("Any", kept.messages[1])["role"] == "user"
    assert context_tokens(kept.messages) <= BUDGET
    (cut,) = kept.cuts
    assert cut == Summary("", len(kept.messages) - 1)


async def test_the_budget_holds_while_a_summary_is_late() -> None:
    ready = asyncio.Event()

    async def summarize(text: str, limit_tokens: int) -> str:
        del text, limit_tokens
        await ready.wait()
        return "late"

    kept = Kept(8, summarize)
    kept.keeper.settle()
    kept.speak(5)
    kept.keeper.settle()
    assert context_tokens(kept.messages) <= BUDGET
    ready.set()
    await kept.keeper.wait()
    kept.keeper.settle()
    assert summary_of(kept.messages[1]) == "late"
    assert "answer 13" in kept.text


async def test_calls_and_results_stay_together() -> None:
    async def summarize(text: str, limit_tokens: int) -> str:
        del text, limit_tokens
        return "summary"

    kept = Kept(4, summarize)
    for number in range(12):
        kept.context.add_message(call(f"c{number}"))
        kept.context.add_message(result(f"c{number}", "y" * 60))
        kept.keeper.settle()
        assert_paired(kept.messages)
        await kept.keeper.wait()
    kept.keeper.settle()
    assert_paired(kept.messages)
    assert kept.cuts


async def test_closing_gives_it_up() -> None:
    async def summarize(text: str, limit_tokens: int) -> str:
        del text, limit_tokens
        await asyncio.sleep(1000)
        return "too late"

    kept = Kept(8, summarize)
    kept.keeper.settle()
    busy = [kept.keeper.busy]
    await kept.keeper.aclose()
    busy.append(kept.keeper.busy)
    assert busy == [True, False]
    await kept.keeper.aclose()


def test_a_transcript_names_who_said_and_did_what() -> None:
    thought = LLMSpecificMessage(llm="anthropic", message={})
    talk = [entry("user", "hello"), thought, call("c1", text="one moment"), result("c1", "done")]
    assert transcript(talk) == "user: hello\nassistant: one moment\nassistant calls look: {}\ntool: done"
