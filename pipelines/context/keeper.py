"""Keeps a conversation's context within its budget, by a summary that is made while the conversation goes on.

Pipecat's own summarizer is not used: its requests get lost when a model is replaced in the middle of a call, it never
gives up on a model that fails, and it changes the context at any moment, also while an answer to it is being made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage, LLMSpecificMessage

from pipelines.context.cut import best_cut, head_length, role_of, summary_message, summary_of, told, without
from pipelines.context.restore import Summary
from pipelines.context.tokens import context_tokens

SUM_UP_FROM = 0.7
"""Which part of the budget must be full before a summary is begun: what comes while it is made has room too."""
KEEP = 0.35
"""Which part of the budget the messages may take that are kept behind a new summary."""
SUMMARY = 0.15
"""Which part of the budget a summary may take."""
SUMMARY_TIMEOUT_S = 30.0
"""How long the model may take for a summary, seconds."""

Summarize = Callable[[str, int], Awaitable[str]]
"""Gets a transcript and how many tokens the summary may have; returns the summary. May raise anything."""


class ContextKeeper:
    """One conversation's budget.

    Args:
        context: The context.
        budget_tokens: How large it may become, estimated tokens (`pipelines.context.tokens`), the system prompt and
            the tools' schemas not counted.
        summarize: Makes a summary.
        on_cut: Called when the older part was replaced, with what stands for it now.
        timeout_s: How long a summary may take, seconds.
    """

    def __init__(
        self,
        context: LLMContext,
        budget_tokens: int,
        summarize: Summarize,
        on_cut: Callable[[Summary], None],
        *,
        timeout_s: float = SUMMARY_TIMEOUT_S,
    ) -> None:
        self._context = context
        self._budget = budget_tokens
        self._summarize = summarize
        self._on_cut = on_cut
        self._timeout_s = timeout_s
        self._covered: list[LLMContextMessage] = []
        self._running: asyncio.Task[str] | None = None
        self._gave_up = False

    @property
    def busy(self) -> bool:
        """Whether a summary is being made or waits to be put in."""
        return self._running is not None

    def settle(self) -> None:
        """Put in the summary that is ready, cut what is too much, begin a summary. Returns at once.

        To be called where the context may change: when no answer to it is being made.
        """
        if self._running is not None and self._running.done():
            self._take(self._running)
        size = context_tokens(self._context.messages)
        if size > self._budget:
            self._drop_oldest()
        elif size > self._budget * SUM_UP_FROM and self._running is None and not self._gave_up:
            self._begin()

    async def wait(self) -> None:
        """Wait until the summary that is being made is ready; `settle` puts it in."""
        if self._running is not None:
            await asyncio.wait({self._running})

    async def aclose(self) -> None:
        """Give the summary that is being made up."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
            self._running = None

    def _begin(self) -> None:
        messages = list(self._context.messages)
        cut = best_cut(messages, round(self._budget * KEEP))
        start = head_length(messages)
        if cut == start:
            return
        # A summary made before is summed up with the rest.
        earlier = [message for message in messages[:start] if summary_of(message) is not None]
        self._covered = [*earlier, *messages[start:cut]]
        work = self._ask(transcript(self._covered), round(self._budget * SUMMARY))
        self._running = asyncio.get_running_loop().create_task(work, name="context summary")

    async def _ask(self, text: str, limit_tokens: int) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                return (await self._summarize(text, limit_tokens)).strip()
        except Exception as error:  # noqa: BLE001 - whatever it was, the conversation goes on without a summary
            # Its text may quote the conversation.
            logger.warning("a conversation could not be summed up: {}", type(error).__name__)
            return ""

    def _take(self, ready: asyncio.Task[str]) -> None:
        summary = "" if ready.cancelled() else ready.result()
        self._running, covered, self._covered = None, self._covered, []
        if not summary:
            # Not tried again until something had to be left out: a model that cannot do it would be asked each turn.
            self._gave_up = True
            return
        gone = set(map(id, covered))
        messages = self._context.messages
        start = head_length(messages)
        head = [message for message in messages[:start] if summary_of(message) is None]
        kept = [message for message in messages[start:] if id(message) not in gone]
        self._replace([*head, summary_message(summary), *kept], Summary(summary, told(kept)))

    def _drop_oldest(self) -> None:
        messages = list(self._context.messages)
        start = head_length(messages)
        room = round(self._budget * SUM_UP_FROM) - context_tokens(messages[:start])
        cut = best_cut(messages, max(room, 0))
        if cut == start:
            return
        self._gave_up = False
        self._replace(without(messages, cut), Summary("", told(messages[cut:])))

    def _replace(self, messages: list[LLMContextMessage], summary: Summary) -> None:
        self._context.set_messages(messages)
        self._on_cut(summary)


def transcript(messages: Sequence[LLMContextMessage]) -> str:
    """Write messages as a text that a model can sum up."""
    lines: list[str] = []
    for message in messages:
        if isinstance(message, LLMSpecificMessage):
            continue
        entry = cast("dict[str, Any]", message)
        content = entry.get("content")
        if isinstance(content, str) and content:
            lines.append(f"{role_of(message)}: {content}")
        lines += [
            f"assistant calls {call['function']['name']}: {call['function']['arguments']}"
            for call in entry.get("tool_calls") or ()
        ]
    return "\n".join(lines)
