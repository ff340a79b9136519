"""What every adapter of the call-control seat must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest
from models.errors import ToolFailed

TEL = {"type": "tel", "target": "+15551230001"}
ARGUMENTS: dict[ControlCommand, dict[str, Any]] = {
    ControlCommand.CONNECT_CALL: {"destinations": [TEL]},
    ControlCommand.CREATE_CALL: {"destinations": [TEL], "variables": {"a": "ä"}},
    ControlCommand.STOP_FLOW: {},
    ControlCommand.SEND_MESSAGE: {"destinations": [TEL], "text": "Hello ☎"},
}


def request(command: ControlCommand, key: str = "key-1") -> ControlRequest:
    aicall = {"id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "reference_type": "call"}
    return ControlRequest(command, "call_1", ARGUMENTS[command], aicall, key)


class FarEnd(ABC):
    """The system behind an adapter, as a test drives it."""

    control: CallControl

    @abstractmethod
    def done(self) -> list[tuple[str, dict[str, Any]]]:
        """What it was asked to do, with arguments; a repetition with the same key counts once."""

    @abstractmethod
    def lose_next(self) -> None:
        """Lose the connection of the next request."""

    @abstractmethod
    def refuse(self, why: str) -> None:
        """Refuse everything from now on."""

    @abstractmethod
    async def vanish(self) -> None:
        """Be gone."""


class CallControlContract:
    """Subclass it with `far_end`."""

    def far_end(self) -> AbstractAsyncContextManager[FarEnd]:
        raise NotImplementedError

    @pytest.fixture
    async def end(self) -> AsyncIterator[FarEnd]:
        async with self.far_end() as end:
            yield end
            await end.control.aclose()

    @pytest.mark.parametrize("command", ControlCommand)
    async def test_what_it_can_do_it_does(self, end: FarEnd, command: ControlCommand) -> None:
        if not end.control.can(command):
            pytest.skip("this system cannot do it, and says so")
        assert isinstance(await end.control.carry_out(request(command)), dict)
        assert end.done() == [(command, ARGUMENTS[command])]

    async def test_a_lost_connection_does_nothing_twice(self, end: FarEnd) -> None:
        end.lose_next()
        await end.control.carry_out(request(ControlCommand.CONNECT_CALL))
        assert len(end.done()) == 1

    async def test_another_key_is_another_request(self, end: FarEnd) -> None:
        for key in ("key-1", "key-2"):
            await end.control.carry_out(request(ControlCommand.CONNECT_CALL, key))
        assert len(end.done()) == 2

    async def test_a_refusal_says_why(self, end: FarEnd) -> None:
        end.refuse("nobody is there")
        with pytest.raises(ToolFailed) as caught:
            await end.control.carry_out(request(ControlCommand.CONNECT_CALL))
        assert caught.value.detail == "nobody is there"

    async def test_nobody_there(self, end: FarEnd) -> None:
        await end.vanish()
        with pytest.raises(ToolFailed) as caught:
            await end.control.carry_out(request(ControlCommand.CONNECT_CALL))
        assert caught.value.retryable
