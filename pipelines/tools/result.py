"""What a tool reports to the model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from models.message import ToolCall
from models.tools import ToolState

MOST_CHARS = 16_000
"""Longest result that the model is given, characters of JSON: it reads it with every answer that follows."""


_MOST_MESSAGE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of one tool call.

    Attributes:
        ok: Whether the tool did what it was asked.
        message: For the model: what happened, or what was wrong.
        data: Further fields for the model.
        why: How it ended when it did not do it: failed, cancelled or timed out.
        duration_ms: How long it took, milliseconds.
    """

    ok: bool
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    why: ToolState = ToolState.FAILED
    duration_ms: float = 0.0

    @classmethod
    def failed(cls, message: str, why: ToolState = ToolState.FAILED) -> ToolResult:
        """Make the result of a tool that did nothing."""
        return cls(ok=False, message=message, why=why)

    @property
    def state(self) -> ToolState:
        """How the call ended."""
        return ToolState.DONE if self.ok else self.why

    def document(self) -> dict[str, Any]:
        """Return the JSON document that the model reads; of too large a one, the beginning of its data as text."""
        head = {"result": "success" if self.ok else "failed", "message": self.message[:_MOST_MESSAGE_CHARS]}
        document = {**head, **self.data}
        if len(_text(document)) <= MOST_CHARS:
            return document
        # Within quotes the text may grow to twice its length.
        return {**head, "truncated": True, "beginning": _text(self.data)[: MOST_CHARS // 2 - _MOST_MESSAGE_CHARS]}

    def event_data(self, call: ToolCall) -> dict[str, Any]:
        """Return the data of the event of this call: nothing of its arguments or its result, which may be secret."""
        return {
            "tool_call_id": call.id,
            "name": call.function.name,
            "state": self.state.value,
            "duration_ms": self.duration_ms,
        }

    def text(self) -> str:
        """Return the document as JSON text."""
        return _text(self.document())


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, default=str)
