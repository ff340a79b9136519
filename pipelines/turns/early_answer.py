"""An answer that is begun before the caller's turn is certainly over: a state machine with no task and no clock.

The answer counts only when the turn then ends with the very words, the very context and the very tools that it was
begun with. Otherwise it is thrown away, and nobody has heard of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pipecat.processors.aggregators.llm_context import LLMContext


class EarlyState(StrEnum):
    """Where the answer stands."""

    NONE = "none"
    """None was begun."""
    PENDING = "pending"
    """One was begun and is held back."""
    REFUSED = "refused"
    """One was begun for these words and could not be used: the model wants a tool, or it failed."""


@dataclass(slots=True)
class EarlyCounts:
    """How many answers were begun early, and what became of them.

    Attributes:
        begun: Answers begun.
        kept: Answers that the caller got.
        discarded: Answers thrown away.
    """

    begun: int = 0
    kept: int = 0
    discarded: int = 0


class EarlyAnswer:
    """The early answers of one call, one after the other.

    Args:
        version: Says what an answer is begun with besides the caller's words: compares equal as long as neither the
            context nor the tools have changed.
    """

    def __init__(self, version: Callable[[], object]) -> None:
        self.state = EarlyState.NONE
        self.counts = EarlyCounts()
        self._version = version
        self._text = ""
        self._begun_with: object = None

    @property
    def pending(self) -> bool:
        """Whether an answer is held back."""
        return self.state is EarlyState.PENDING

    def answers(self, text: str) -> bool:
        """Whether an answer to these words is held back."""
        return self.pending and text == self._text

    def may_begin(self, text: str) -> bool:
        """Whether an answer to these words should be begun now; not twice to the same."""
        return bool(text) and not self.pending and (self.state is EarlyState.NONE or text != self._text)

    def begin(self, text: str) -> None:
        """Note that an answer to these words is begun."""
        self._text, self._begun_with = text, self._version()
        self._set_state(EarlyState.PENDING)
        self.counts.begun += 1

    def refuse(self) -> None:
        """Note that the answer cannot be used, and that another try would not help."""
        if self.pending:
            self._set_state(EarlyState.REFUSED)
            self.counts.discarded += 1

    def withdraw(self) -> bool:
        """Throw the answer away because the caller goes on.

        Returns:
            Whether there was one, refused ones included: whoever holds it back has to be told.
        """
        if self.pending:
            self.counts.discarded += 1
        there_was = self.state is not EarlyState.NONE
        self._set_state(EarlyState.NONE)
        return there_was

    def settle(self, text: str) -> bool:
        """Decide at the end of the turn.

        Args:
            text: The caller's words.

        Returns:
            Whether the answer is the answer to this turn. If not, a pending one has to be thrown away.
        """
        kept = self.answers(text) and self._version() == self._begun_with
        if kept:
            self.counts.kept += 1
            self._set_state(EarlyState.NONE)
        return kept

    def _set_state(self, state: EarlyState) -> None:
        self.state = state


def context_version(context: LLMContext) -> object:
    """Return what compares equal as long as a context is the same: its messages, results of tools, and tools.

    Messages are only added, except that the result of a tool takes the place of its announcement.
    """
    messages = context.messages
    results = tuple(str(message) for message in messages if isinstance(message, dict) and message.get("role") == "tool")
    return len(messages), str(messages[-1:]), results, context.tools
