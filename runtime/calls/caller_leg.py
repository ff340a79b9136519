"""The caller's leg of one call at its phone system, and what becomes of it when the AI's part ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from loguru import logger

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.media.base import Handshake, Started
from models.aicall import Aicall, EndReason
from models.errors import AicallError
from runtime.calls.call_socket import CallSocket

_OUTCOME_S = 2.0
"""How long a phone system may take to answer a request whose effect, the end of the stream, came before, seconds."""

_DELIBERATE = frozenset(
    {
        EndReason.TERMINATE,
        EndReason.STOP_SERVICE,
        EndReason.MAX_DURATION,
        EndReason.IDLE,
        EndReason.MAX_SPEND,
        EndReason.NO_PROGRESS,
    }
)
"""Ends after which the caller is hung up. After a failure the phone system may know what to do with them instead."""

AFTER = "after"
"""Query or custom parameter of a stream: what the phone system does with the caller once the AI's part is over."""
CONTINUE = "continue"
"""Value of `AFTER`: it goes on with its own flow, so the caller is not hung up."""


class CallerLeg:
    """One call's leg.

    Args:
        aicall: The AIcall.
        control: The process's call control; None when none is configured.
    """

    def __init__(self, aicall: Aicall, control: CallControl | None) -> None:
        self._aicall = aicall
        self._control = control
        self._leg: Leg | None = None
        self._goes_on = False
        self._hangs_up_in_band = False
        self._reason: EndReason | None = None
        self._settled = asyncio.Event()
        self._gone = False

    @property
    def leg(self) -> Leg | None:
        """The leg as the phone system names it; None before the stream began."""
        return self._leg

    def began(self, socket: CallSocket, handshake: Handshake, started: Started) -> None:
        """Take note of a stream that began.

        Args:
            socket: The connection.
            handshake: Its upgrade request.
            started: Its beginning.
        """
        said = {**started.parameters, **handshake.query}
        self._leg = Leg(
            protocol=socket.protocol.name,
            call_id=started.call_id,
            account_id=started.account_id,
            stream_id=started.stream_id,
            session=said.get("session", started.call_id),
            from_=said.get("from", started.from_),
            to=said.get("to", started.to),
            parameters=dict(started.parameters),
            server_url=_server_url(handshake.url),
        )
        self._goes_on = said.get(AFTER) == CONTINUE
        self._hangs_up_in_band = socket.protocol.capabilities.hangup_in_band

    def parting(self, reason: EndReason) -> None:
        """Say that the phone system is asked for something that ends the stream.

        Args:
            reason: Why the call ends if it does as it is asked.
        """
        self._reason = reason
        self._settled.clear()

    def parted(self, *, done: bool) -> None:
        """Say whether it did as it was asked."""
        self._gone = self._gone or done
        if not done:
            self._reason = None
        self._settled.set()

    async def why(self) -> EndReason | None:
        """Return why the stream has ended, where it did so because it was asked for; None where not.

        Waits a moment for the phone system's answer: the stream's end may come before it.
        """
        if self._reason is not None and not self._gone:
            with suppress(TimeoutError):
                async with asyncio.timeout(_OUTCOME_S):
                    await self._settled.wait()
        return self._reason if self._gone else None

    def is_to_be_hung_up(self, reason: EndReason) -> bool:
        """Return whether `hang_up` has to end the leg: nothing else does, and it is not somebody else's by now.

        Args:
            reason: Why the call ends.
        """
        return (
            reason in _DELIBERATE
            and self._leg is not None
            and not (self._gone or self._goes_on or self._hangs_up_in_band)
            and self._control is not None
            and self._control.can(ControlCommand.HANGUP, self._leg)
        )

    def can_send_dtmf(self) -> bool:
        """Return whether `send_dtmf` can do anything."""
        return (
            self._leg is not None
            and self._control is not None
            and self._control.can(ControlCommand.SEND_DTMF, self._leg)
        )

    async def send_dtmf(self, digits: str, key: str) -> None:
        """Have the phone system send digits to the caller's side.

        Args:
            digits: ``0-9 * # A-D w``.
            key: The same for every try, different for all other digits.

        Raises:
            InvalidField: Names ``digits``: they are none, or too many.
            ToolFailed: It was refused, or nobody could be reached.
        """
        if self._control is not None and self._leg is not None:
            await self._ask(self._control, ControlCommand.SEND_DTMF, {"digits": digits}, key)

    async def hang_up(self) -> None:
        """Have the phone system hang the caller up. Never raises; not bounded in time."""
        if self._control is None or self._leg is None:
            return
        try:
            await self._ask(self._control, ControlCommand.HANGUP, {}, "hangup")
        except AicallError as error:
            logger.warning("aicall {}: the caller could not be hung up: {}", self._aicall.id, error.message)

    async def _ask(self, control: CallControl, command: ControlCommand, arguments: dict[str, Any], what: str) -> None:
        key = f"{self._aicall.id}-{what}"
        await control.carry_out(ControlRequest(command, "", arguments, self._aicall.public(), key, self._leg))


def _server_url(url: str) -> str:
    base, found, _ = url.partition("/ws/")
    scheme, separator, rest = base.partition("://")
    if not found or not separator:
        return ""
    return f"{'https' if scheme in {'https', 'wss'} else 'http'}://{rest}"
