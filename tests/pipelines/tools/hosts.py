"""A call that tools can be tried on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from models.errors import NotFound

AICALL_ID = UUID("a1b2c3d4-e5f6-7890-abcd-ef1234567890")
EARLIER_ID = UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901")


class CallHost:
    """A `pipelines.tools.host.ToolHost` that writes down what tools do to it.

    Attributes:
        done: What was done, in order.
        hangs: Whether what a tool asks for never comes to an end.
        fails: What a tool that asks for something gets instead.
    """

    aicall_id = AICALL_ID

    def __init__(self) -> None:
        self.variables: dict[str, str] = {"caller": "Ann"}
        self.done: list[str] = []
        self.hangs = False
        self.fails: Exception | None = None

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        await self._do("set_variables")
        self.variables.update(variables)

    async def messages(self, aicall_id: UUID) -> list[dict[str, Any]]:
        await self._do(f"messages {aicall_id}")
        known = {AICALL_ID: "Hello", EARLIER_ID: "Earlier"}
        if aicall_id not in known:
            raise NotFound("aicall", str(aicall_id))
        return [{"role": "user", "content": known[aicall_id]}]

    async def stop_media(self) -> None:
        await self._do("stop_media")

    async def stop_service(self) -> None:
        await self._do("stop_service")

    async def _do(self, what: str) -> None:
        if self.fails is not None:
            raise self.fails
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        self.done.append(what)
