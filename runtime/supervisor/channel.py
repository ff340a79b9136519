"""The line between the supervisor and one worker: JSON lines both ways over a Unix socket pair, and sockets with them.

Nothing here waits: what the other side does not take at once stays in a queue and goes out when it does. The end of
the stream says that the other process is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

Message = dict[str, Any]
Handler = Callable[[Message, socket.socket | None], None]
"""Gets a message and the socket that came with it, which is the handler's to close."""

_READ_BYTES: Final = 65_536
_MOST_SOCKETS: Final = 64
"""Most sockets that one read takes in; the system gives them out one message at a time."""

_CARRIES: Final = "socket"
"""Field of a message with which a socket comes. Stream sockets keep no borders between messages, so the n-th message
that says so belongs to the n-th socket."""


class Channel:
    """One end, on the running event loop.

    Args:
        end: One socket of a connected pair of Unix stream sockets; the channel closes it.
        on_message: Gets every message.
        on_closed: Called once when the other side is gone; not after `close`.
    """

    def __init__(self, end: socket.socket, on_message: Handler, on_closed: Callable[[], None]) -> None:
        self._end = end
        self._on_message = on_message
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[bytes, socket.socket | None]] = deque()
        self._unread = b""
        self._sockets: deque[int] = deque()
        self._open = True
        end.setblocking(False)
        self._loop.add_reader(end, self._readable)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._open

    def send(self, message: Mapping[str, Any], carried: socket.socket | None = None) -> None:
        """Send a message, now or as soon as the other side takes it; once the channel is closed, nothing is sent.

        Args:
            message: What JSON can say.
            carried: A socket that the other process gets too. It stays open here, and must until it is sent.
        """
        if not self._open:
            return
        fields = {**message, _CARRIES: True} if carried is not None else message
        self._unsent.append((json.dumps(fields).encode() + b"\n", carried))
        if len(self._unsent) == 1:
            self._write()

    def read_rest(self) -> None:
        """Take in everything that the other process has left behind, without waiting for the event loop to tell."""
        while self._receive():
            pass

    def _readable(self) -> None:
        self._receive()

    def _receive(self) -> bool:
        """Read once; say whether there may be more."""
        if not self._open:
            return False
        try:
            data, sockets, _, _ = socket.recv_fds(self._end, _READ_BYTES, _MOST_SOCKETS)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data, sockets = b"", []
        for number in sockets:
            # A program that this process starts must not keep somebody's call open.
            os.set_inheritable(number, False)
        self._sockets.extend(sockets)
        if not data:
            self.close()
            self._on_closed()
            return False
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if not self.is_open:
                break
            message: Message = json.loads(line)
            carried = socket.socket(fileno=self._sockets.popleft()) if message.pop(_CARRIES, False) else None
            self._on_message(message, carried)
        return self._open

    def close(self) -> None:
        """Close this end; the other side sees the end of the stream."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._unsent.clear()
        for number in self._sockets:
            os.close(number)
        self._sockets.clear()
        self._end.close()

    def _write(self) -> None:
        while self._unsent:
            data, carried = self._unsent[0]
            try:
                sent = socket.send_fds(self._end, [data], [carried.fileno()]) if carried else self._end.send(data)
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._end, self._write)
                return
            except OSError:
                # What the other side has left behind is still to be read; its end says the rest.
                self._unsent.clear()
                break
            self._unsent.popleft()
            if sent < len(data):
                self._unsent.appendleft((data[sent:], None))
        self._loop.remove_writer(self._end)
