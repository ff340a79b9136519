"""A limit to how long a thread waits for an answer from a server that may never give one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator


class Leash:
    """Ends whatever a thread waits for on a connection, when somebody else says so.

    A blocking driver has no limit of its own: where the server holds its end of the connection open and sends nothing,
    the thread would wait for ever. Cut off, it finds the connection closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    @property
    def is_cut(self) -> bool:
        """Whether the time is over."""
        return self._is_cut

    @contextlib.contextmanager
    def on(self, descriptor: int) -> Iterator[None]:
        """Put a connection on it while the block runs.

        Args:
            descriptor: Of the connection's socket.
        """
        # A descriptor of our own: the driver may close its one at any moment, and the number would be another file's.
        own = socket.socket(fileno=os.dup(descriptor))
        with own:
            with self._lock:
                self._socket = own
                if self._is_cut:
                    _shut(own)
            try:
                yield
            finally:
                with self._lock:
                    self._socket = None

    def cut(self) -> None:
        """End it, now and whenever a connection is put on it."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                _shut(self._socket)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)
