import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext

from pipelines.turns.early_answer import EarlyAnswer, EarlyCounts, EarlyState, context_version


class Answers(EarlyAnswer):
    """Early answers in a world that a test can change."""

    def __init__(self) -> None:
        self.world = 0
        super().__init__(lambda: self.world)


def test_an_answer_counts_when_nothing_has_changed() -> None:
    early = Answers()
    assert early.may_begin("hello")
    early.begin("hello")
    assert early.answers("hello")
    assert not early.answers("hello there")
    assert not early.may_begin("hello")
    assert early.settle("hello")
    assert early.state is EarlyState.NONE
    assert early.counts == EarlyCounts(begun=1, kept=1)


@pytest.mark.parametrize("change", ["words", "world"])
def test_an_answer_to_something_else_does_not_count(change: str) -> None:
    early = Answers()
    early.begin("hello")
    early.world += change == "world"
    assert not early.settle("hello" if change == "world" else "hello there")
    # Whoever holds it back must be told.
    assert early.withdraw()
    assert not early.withdraw()
    assert early.counts == EarlyCounts(begun=1, discarded=1)


def test_what_the_model_could_not_answer_is_not_tried_again() -> None:
    early = Answers()
    early.begin("hello")
    early.refuse()
    assert not early.may_begin("hello")
    assert early.may_begin("hello there")
    assert not early.settle("hello")
    assert early.withdraw()
    assert early.may_begin("hello")
    assert early.counts == EarlyCounts(begun=1, discarded=1)


def test_nothing_said_needs_no_answer() -> None:
    assert not Answers().may_begin("")


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: an answer counts only as it was begun, and each is counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.early = Answers()
        self.begun: tuple[str, int] | None = None

    @rule(text=st.sampled_from(["", "a", "a b"]))
    def begin(self, text: str) -> None:
        if self.early.may_begin(text):
            assert self.begun is None
            self.early.begin(text)
            self.begun = text, self.early.world

    @rule(text=st.sampled_from(["", "a", "a b"]))
    def settle(self, text: str) -> None:
        kept = self.early.settle(text)
        assert kept == (self.begun == (text, self.early.world))
        if kept:
            self.begun = None

    @rule()
    def change(self) -> None:
        self.early.world += 1

    @rule()
    def refuse(self) -> None:
        self.early.refuse()
        self.begun = None

    @rule()
    def withdraw(self) -> None:
        there_was = self.early.state is not EarlyState.NONE
        assert self.early.withdraw() == there_was
        self.begun = None

    @invariant()
    def each_is_counted_once(self) -> None:
        counts = self.early.counts
        assert counts.begun == counts.kept + counts.discarded + self.early.pending
        assert self.early.pending == (self.begun is not None)


TestAnyOrder = AnyOrder.TestCase


def test_a_context_that_is_the_same() -> None:
    tools = ToolsSchema(standard_tools=[FunctionSchema("stop", "", {}, [])])
    context = LLMContext([{"role": "user", "content": "hello"}], tools=tools)
    version = context_version(context)
    assert context_version(context) == version
    assert context_version(LLMContext([{"role": "user", "content": "hello"}], tools=tools)) == version


def test_every_change_of_a_context_shows() -> None:
    context = LLMContext(
        [
            {"role": "tool", "content": "in progress", "tool_call_id": "1"},
            {"role": "user", "content": "hello"},
        ]
    )
    versions = [context_version(context)]
    context.messages[0]["content"] = "done"  # type: ignore[index]
    versions.append(context_version(context))
    context.add_message({"role": "assistant", "content": "hi"})
    versions.append(context_version(context))
    context.set_tools(ToolsSchema(standard_tools=[FunctionSchema("stop", "", {}, [])]))
    versions.append(context_version(context))
    assert all(one != other for n, one in enumerate(versions) for other in versions[n + 1 :])
