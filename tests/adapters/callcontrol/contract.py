"""What every adapter of the call-control seat must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from loguru import logger

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from models.errors import ToolFailed

TEL = {"type": "tel", "target": "+15551230001"}
ARGUMENTS: dict[ControlCommand, dict[str, Any]] = {
    ControlCommand.CONNECT_CALL: {"destinations": [TEL]},
    ControlCommand.CREATE_CALL: {"destinations": [TEL], "variables": {"a": "ä"}},
    ControlCommand.STOP_FLOW: {},
    ControlCommand.SEND_MESSAGE: {"destinations": [TEL], "text": "Hello ☎"},
    ControlCommand.HANGUP: {},
    ControlCommand.SEND_DTMF: {"digits": "12#"},
}
AICALL = {"id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "reference_type": "call"}


def request(
    command: ControlCommand,
    key: str = "key-1",
    leg: Leg | None = None,
    arguments: dict[str, Any] | None = None,
) -> ControlRequest:
    return ControlRequest(command, "call_1", ARGUMENTS[command] if arguments is None else arguments, AICALL, key, leg)


class FarEnd(ABC):
    """The system behind an adapter, as a test drives it.

    Attributes:
        control: The adapter.
        leg: The call that it controls; None for one that needs none.
        repeats: Whether a transfer whose answer was lost is asked for again, being known by its key.
        secrets: What nobody may see.
    """

    control: CallControl
    leg: Leg | None = None
    repeats: bool = True
    secrets: tuple[str, ...] = ()

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

    def expected(self, command: ControlCommand) -> tuple[str, dict[str, Any]]:
        """What `done` says of a command with the arguments of `ARGUMENTS`."""
        return command, ARGUMENTS[command]

    async def ask(
        self, command: ControlCommand, key: str = "key-1", arguments: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask for a command."""
        return dict(await self.control.carry_out(request(command, key, self.leg, arguments)))


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
        if not end.control.can(command, end.leg):
            with pytest.raises(ToolFailed):
                await end.ask(command)
            return
        assert isinstance(await end.ask(command), dict)
        assert end.done() == [end.expected(command)]

    async def test_a_lost_connection_does_nothing_twice(self, end: FarEnd) -> None:
        end.lose_next()
        if end.repeats:
            await end.ask(ControlCommand.CONNECT_CALL)
        else:
            with pytest.raises(ToolFailed) as caught:
                await end.ask(ControlCommand.CONNECT_CALL)
            assert caught.value.retryable
        assert len(end.done()) == 1

    async def test_another_key_is_another_request(self, end: FarEnd) -> None:
        for key in ("key-1", "key-2"):
            await end.ask(ControlCommand.CONNECT_CALL, key)
        assert len(end.done()) == 2

    async def test_the_same_key_is_the_same_request(self, end: FarEnd) -> None:
        first = await end.ask(ControlCommand.CONNECT_CALL)
        assert await end.ask(ControlCommand.CONNECT_CALL) == first
        assert len(end.done()) == 1

    async def test_a_refusal_says_why(self, end: FarEnd) -> None:
        end.refuse("nobody is there")
        with pytest.raises(ToolFailed) as caught:
            await end.ask(ControlCommand.CONNECT_CALL)
        assert caught.value.detail == "nobody is there"

    async def test_nobody_there(self, end: FarEnd) -> None:
        await end.vanish()
        with pytest.raises(ToolFailed) as caught:
            await end.ask(ControlCommand.CONNECT_CALL)
        assert caught.value.retryable

    async def test_no_secret_is_shown(self, end: FarEnd) -> None:
        lines: list[str] = []
        sink = logger.add(lines.append, level="TRACE", format="{message}")
        try:
            end.refuse(f"the key {' '.join(end.secrets)} is wrong")
            with pytest.raises(ToolFailed) as caught:
                await end.ask(ControlCommand.CONNECT_CALL)
        finally:
            logger.remove(sink)
        shown = f"{caught.value!r} {caught.value.detail} {end.control!r} {' '.join(lines)}"
        assert not [secret for secret in end.secrets if secret in shown]
