"""What a speech service can do against a vendor that has fallen silent."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Reconnects(Protocol):
    """A service whose connection can be given up for another one."""

    async def reconnect(self) -> bool:
        """Break the connection, from which nothing comes, and open another one.

        Whoever asks for it has told of the failure.

        Returns:
            Whether there was a connection; if not, one is being opened anyway.
        """


@runtime_checkable
class TellsAlive(Protocol):
    """A service whose vendor sends messages that say nothing, but show that it works."""

    @property
    def alive_s(self) -> float:
        """When the vendor sent something last, on the loop's clock; minus infinity for never."""
