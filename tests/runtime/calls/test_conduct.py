"""Places and refusals. What becomes of who is let in stands in test_media_socket.py and test_reattach.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from adapters.media.base import Handshake
from models.errors import NotFound, Unavailable
from runtime.calls.conduct import conduct
from tests.runtime.calls.wires import services_in

HANDSHAKE = Handshake(url="ws://x/ws/1/t", path="/ws/1/t")
NO_SOCKET = cast("Any", None)


@pytest.mark.parametrize("resource_id", ["00000000-0000-4000-8000-000000000000", "no id"])
async def test_who_is_refused_leaves_its_place_and_was_not_accepted(tmp_path: Path, resource_id: str) -> None:
    async with services_in(tmp_path, max_calls=1) as services:
        for _ in range(3):
            with pytest.raises(NotFound):
                await conduct(services, NO_SOCKET, HANDSHAKE, resource_id, "t")
        assert services.capacity.taken == 0
        await asyncio.wait_for(services.live_calls.drain(0), 20)
        assert b'aicall_calls_refused_total{reason="not_found"} 3.0' in services.metrics.render()


async def test_a_call_that_waits_for_its_phone_system_needs_no_place(tmp_path: Path) -> None:
    class Waiting:
        detached = True

    async with services_in(tmp_path, max_calls=1) as services:
        aicall_id = uuid4()
        with services.capacity.place():
            with pytest.raises(Unavailable):
                await conduct(services, NO_SOCKET, HANDSHAKE, str(aicall_id), "t")
            services.live_calls.add(aicall_id, cast("Any", Waiting()))
            # It comes as far as the token.
            with pytest.raises(NotFound):
                await conduct(services, NO_SOCKET, HANDSHAKE, str(aicall_id), "t")
        services.live_calls.remove(aicall_id)
