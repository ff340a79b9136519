"""What a process that listens needs before it serves anything: the socket, its URL, the signals that stop it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from loguru import logger

from runtime.api_key import ApiKey
from runtime.settings import Settings

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""The first one drains, the second one ends at once."""

_BACKLOG = 2048


@contextmanager
def listening_socket(settings: Settings) -> Iterator[socket.socket]:
    """Listen on the address of the settings while the context lasts.

    Raises:
        OSError: The address cannot be used.
    """
    with _listening(settings.host, settings.port) as listener:
        yield listener


@contextmanager
def audiosocket_listener(settings: Settings) -> Iterator[socket.socket | None]:
    """Listen for Asterisk's AudioSocket while the context lasts, and say where; None where that is not wanted.

    Raises:
        OSError: The address cannot be used.
    """
    if settings.audiosocket_port < 0:
        yield None
        return
    with _listening(settings.audiosocket_host, settings.audiosocket_port) as listener:
        logger.info("audiosocket listening on tcp://{}", base_url(listener).removeprefix("http://"))
        yield listener


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = infos[0]
    # The protocol is given, since asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with
    # it on, an answer in two pieces waits 40 ms for the other side's delayed acknowledgement.
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        yield listener


def base_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket, with the port that it really got."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def received_signals(handled: Iterable[signal.Signals] = STOP_SIGNALS) -> Iterator[asyncio.Queue[int]]:
    """Collect these signals of this process while the context lasts; those that stop it unless told otherwise."""
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[int] = asyncio.Queue()
    numbers = tuple(handled)
    for number in numbers:
        loop.add_signal_handler(number, received.put_nowait, int(number))
    try:
        yield received
    finally:
        for number in numbers:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)


def tell_new_key(api_key: ApiKey) -> None:
    """Show a key that was just generated to the operator; do nothing for any other."""
    if api_key.created_in is None:
        return
    # Past the log, which blots keys out and is kept.
    sys.stderr.write(
        f"API key, shown this once: {api_key.secret.get_secret_value()}\n(generated; kept in {api_key.created_in})\n"
    )
    sys.stderr.flush()
