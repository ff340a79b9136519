"""A real server for tests of the API: on a free port of 127.0.0.1, with a real store, and live calls without audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from models.aicall import EndReason
from models.errors import Conflict
from pipelines.vad.inference import InferenceEngine
from runtime.ending import end_unattended
from runtime.server import running_server
from runtime.services import Services
from runtime.settings import Settings

KEY = "test-key-of-the-api"
CANARY = "canary-sk-0123456789"


def an_ai(**changes: Any) -> dict[str, Any]:
    """A body for ``POST /v1.0/ais`` that needs no vendor."""
    return {
        "name": "Front desk",
        "engine_model": "script.receptionist",
        "init_prompt": "You answer the phone.",
        "tts_type": "espeak",
        "stt_type": "pocketsphinx",
        **changes,
    }


class NotedCall:
    """A live call without audio: it ends as soon as it is asked to, or, when stubborn, when a test says so.

    Args:
        services: What it runs on.
        aicall: The document of its AIcall.
        stubborn: Whether it goes on when it is asked to end.
    """

    def __init__(self, services: Services, aicall: dict[str, Any], *, stubborn: bool = False) -> None:
        self.aicall_id = UUID(aicall["id"])
        self.reasons: list[EndReason] = []
        self._services = services
        self._stubborn = stubborn
        self._asked = asyncio.Event()
        services.live_calls.add(self.aicall_id, self)

    def end(self, reason: EndReason) -> None:
        self.reasons.append(reason)
        self._asked.set()

    async def wait_ended(self) -> None:
        await self._asked.wait()
        if not self._stubborn:
            await self.finish()

    async def pause(self) -> None:
        raise Conflict("it has no audio to pause")

    async def resume(self) -> None:
        raise Conflict("it has no audio to resume")

    async def settled(self) -> None: ...

    async def attach(self, attachment: Any) -> None: ...

    def taken(self) -> None: ...

    detached = False

    async def finish(self) -> None:
        reason = self.reasons[0] if self.reasons else EndReason.HANGUP
        await end_unattended(self._services, self.aicall_id, reason)
        self._services.live_calls.remove(self.aicall_id)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds; fail after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings of a test server."""
    base = {
        "port": 0,
        "data_dir": folder,
        "database": ":memory:",
        "api_key": KEY,
        "admission": "fixed",
        "reattach_grace_s": 0,
    }
    return Settings(**{**base, **changes})


@dataclass
class Api:
    """A running server and a client that carries its key.

    Attributes:
        http: The client; paths are relative to the server.
        url: The server's base URL.
        services: What the server is made of.
    """

    http: httpx.AsyncClient
    url: str
    services: Services

    async def ok(self, method: str, path: str, **request: Any) -> Any:
        """Send a request that must succeed; return the document."""
        response = await self.http.request(method, path, **request)
        assert response.is_success, response.text
        return response.json()

    async def problem(self, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
        """Send a request that must fail with this status; return the problem document."""
        response = await self.http.request(method, path, **request)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = response.json()
        assert document.keys() >= {"type", "title", "status", "detail", "instance"}
        assert document["status"] == status
        return document

    async def wrong_field(self, method: str, path: str, **request: Any) -> str:
        """Send a request that must be refused with 422; return the one field that is named."""
        errors = (await self.problem(method, path, 422, **request))["errors"]
        assert len(errors) == 1, errors
        assert errors[0]["message"]
        return str(errors[0]["field"])

    async def new_ai(self, **changes: Any) -> dict[str, Any]:
        document: dict[str, Any] = await self.ok("POST", "/v1.0/ais", json=an_ai(**changes))
        return document

    async def new_aicall(self, ai: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        ai = ai or await self.new_ai()
        body = {"assistance_id": ai["id"], **changes}
        document: dict[str, Any] = await self.ok("POST", "/v1.0/aicalls", json=body)
        return document


@cache
def _models() -> InferenceEngine:
    """Load the models once: no test of the API uses them, and each server would take 0.1 s for it."""
    return InferenceEngine(threaded=False)


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[Api]:
    """Run a server while the context lasts."""
    async with running_server(settings_in(folder, **changes), inference=_models()) as (url, services):
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10, trust_env=False) as http:
            yield Api(http, url, services)
