"""What a process does once and late, done before it listens: no call's audio waits for it then.

The first request of an application builds its table of routes, and the first look at its documentation builds that:
tens of milliseconds each, in which the event loop stands still. And the garbage collector goes through every module
and model again and again, unless it is told that they stay.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message

_PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json")


async def rehearse(app: ASGIApp) -> None:
    """Ask an application for what it makes when it is asked first, and drop the answers.

    Args:
        app: The application, ready to serve.
    """
    for path in _PATHS:
        await app(_request_for(path), _receive, _send)


@contextmanager
def loaded_for_good() -> Iterator[None]:
    """Tell the garbage collector that everything that is there now stays as long as the context lasts.

    A full collection of a process that has loaded its models takes 0.2 s, and it comes in the middle of calls.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        # Extension modules complain at the exit of the interpreter when something of theirs was never released.
        gc.unfreeze()


def _request_for(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"rehearsal")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
        "extensions": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    del message
