"""A real NATS server with JetStream for tests, from the system's package ``nats-server``.

The fixture ``nats_server`` is known to every test (`tests/conftest.py`): a server of the test's own, empty, that it may
stop, hold and start again on the same port. ``nats_server.url`` is where it listens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.servers import ServerProcess, find_program, free_port, missing


class NatsServer(ServerProcess):
    """A server whose streams outlive its end, until `remove`."""

    def __init__(self) -> None:
        super().__init__("nats-server")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port that it had before, if it had one."""
        for left in reversed(range(1 if self.port else 5)):
            port = self.port or free_port()
            for file in self.folder.glob("*.ports"):
                file.unlink()
            try:
                self.launch(
                    self._ready,
                    *(find_program("nats-server") or "nats-server", "--addr", "127.0.0.1", "--port", str(port)),
                    *("--jetstream", "--store_dir", self.folder / "store", "--ports_file_dir", self.folder),
                )
            except RuntimeError:
                # Somebody else may have taken the port meanwhile.
                if not left:
                    raise
            else:
                self.port = port
                return

    def _ready(self) -> bool:
        # Written once it listens.
        for file in self.folder.glob("*.ports"):
            try:
                return bool(json.loads(file.read_text())["nats"])
            except ValueError:  # half written
                return False
        return False


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """An empty server of the test's own."""
    if find_program("nats-server") is None:
        missing("nats-server")
    server = NatsServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
