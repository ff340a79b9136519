"""A tool together with what carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.tools import ToolDefinition
from pipelines.tools.result import ToolResult


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a tool by the model.

    Attributes:
        tool_call_id: The model's id of it.
        arguments: They fit the tool's schema.
        idempotency_key: The same for every try of this call; different for all others.
    """

    tool_call_id: str
    arguments: Mapping[str, Any]
    idempotency_key: str


CarryOut = Callable[[Invocation], Awaitable[ToolResult]]
"""Carries out one call. May raise `models.errors.ToolFailed`, which the model is told of."""


@dataclass(frozen=True, slots=True)
class BoundTool:
    """One tool of one call.

    Attributes:
        definition: What the model is told of it.
        carry_out: Does it.
    """

    definition: ToolDefinition
    carry_out: CarryOut
