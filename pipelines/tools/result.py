"""What a tool reports to the model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of one tool call.

    Attributes:
        ok: Whether the tool did what it was asked.
        message: For the model: what happened, or what was wrong.
        data: Further fields for the model.
    """

    ok: bool
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, message: str) -> ToolResult:
        """Make the result of a tool that did nothing."""
        return cls(ok=False, message=message)

    def document(self) -> dict[str, Any]:
        """Return the JSON document that the model reads."""
        return {"result": "success" if self.ok else "failed", "message": self.message, **self.data}

    def text(self) -> str:
        """Return the document as JSON text."""
        return json.dumps(self.document(), ensure_ascii=False)
