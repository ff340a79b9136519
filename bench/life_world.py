"""Simulated processes that run the real life code on one real store, and the faults that befall them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

from pydantic import SecretStr

from adapters.media.base import Handshake
from adapters.store.base import Store
from models.aicall import EndReason
from models.errors import AicallError, LostLease, Unavailable
from pipelines.turns.early_answer import EarlyCounts
from runtime.calls.call_conversation import Conversing
from runtime.calls.conduct import conduct
from runtime.calls.keeping import keep_lives
from runtime.calls.live_calls import LiveCalls
from runtime.capacity import Capacity
from runtime.metrics import Metrics
from runtime.services import Services
from runtime.settings import Settings
from runtime.sweeper import keep_sweeping

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOST_ANSWERS = 0.01
"""How often a write is done and its answer lost."""


def loop_clock() -> datetime:
    """Return the event loop's time as a moment."""
    return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())


class FaultyStore:
    """The store as one process sees it: sometimes away, sometimes it acts and its answer is lost.

    Args:
        store: The real store.
        luck: Where chance comes from.
        faults: Counts what happened.
        disturbed: Collects the AIcalls that went out of their owner's hands.
    """

    def __init__(self, store: Store, luck: random.Random, faults: Counter[str], disturbed: set[UUID]) -> None:
        self._store = store
        self.disturbed = disturbed
        self._luck = luck
        self._faults = faults
        self.dead = False
        self.away_until_s = 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._check()
            await asyncio.sleep(self._luck.uniform(0.0, 0.02))
            self._check()
            try:
                result = await method(*args, **kwargs)
            except LostLease:
                self.disturbed.add(args[0] if isinstance(args[0], UUID) else args[0].aicall_id)
                raise
            self._note(name, args, kwargs, result)
            if self.dead or self._luck.random() < LOST_ANSWERS:
                self._faults["answers of the store lost"] += 1
                raise Unavailable("the answer was lost")
            return result

        return call

    def _note(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """Remember which AIcalls went out of their owner's hands: what it had not written yet does not count."""
        if name == "renew_leases":
            self.disturbed.update(set(args[0]) - result)
        elif name == "move_aicall" or (name == "attach_aicall" and kwargs["from_owner"] != kwargs["owner"]):
            self.disturbed.add(args[0])

    def _check(self) -> None:
        if self.dead or asyncio.get_running_loop().time() < self.away_until_s:
            raise Unavailable("the store does not answer")


class FakeConversation:
    """A conversation without audio: it says numbered sentences, and may fail or end by itself.

    Args:
        what: What a real one would be made from.
        luck: Where chance comes from.
        said: Collects what it said.
    """

    def __init__(self, what: Conversing, luck: random.Random, said: list[str]) -> None:
        self._what = what
        self._luck = luck
        self._said = said
        self._stopped = asyncio.Event()
        self._paused = what.past is not None
        self.ending = False
        self.early_answers = EarlyCounts()
        self.input = self.output = self

    async def run(self) -> None:
        """Say something now and then."""
        await asyncio.sleep(self._luck.uniform(0.01, 1.0))
        if self._stopped.is_set():
            return
        self._what.listener.started()
        while not self._stopped.is_set():
            if not self._paused:
                self._say()
            chance = self._luck.random()
            if chance < 0.005:
                raise ZeroDivisionError
            if chance < 0.03 and not self._paused:
                self.ending = True
                self._what.listener.finished(EndReason.STOP_SERVICE)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._luck.uniform(0.5, 6.0)):
                    await self._stopped.wait()

    def _say(self) -> None:
        text = f"{self._what.aicall.id}/{len(self._said)}"
        self._said.append(text)
        self._what.listener.bot_said(text, interrupted=False)

    async def stop(self, running: asyncio.Task[None], deadline_s: float) -> bool:
        """End."""
        del deadline_s
        self._stopped.set()
        await asyncio.wait({running})
        return True

    async def pause(self) -> None:
        """Say nothing more, but for the last word that was on its way."""
        if not self._paused:
            self._paused = True
            await asyncio.sleep(self._luck.uniform(0.0, 0.6))
            self._say()

    async def resume(self) -> None:
        """Go on."""
        self._paused = False

    def metered_by(self, meter: object) -> None:
        """Cost nothing."""

    async def feed(self, pcm: bytes) -> None:
        """Hear nothing."""

    async def press(self, digit: str) -> None:
        """Hear nothing."""

    def mark_reached(self, name: str) -> None:
        """Play nothing."""


class Line:
    """One connection between a simulated phone system and a simulated process.

    Attributes:
        accepted: Set once it was accepted.
        closed: Set once either side closed it.
    """

    def __init__(self) -> None:
        self.accepted = asyncio.Event()
        self.closed = asyncio.Event()
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def put(self, text: str) -> None:
        """Let a message arrive."""
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    def drop(self, code: int) -> None:
        """Let the phone system be gone."""
        if not self.closed.is_set():
            self.closed.set()
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": code})

    async def accept(self, subprotocol: str | None = None) -> None:
        """Answer the upgrade."""
        del subprotocol
        if self.closed.is_set():
            raise OSError("gone")
        self.accepted.set()

    async def receive(self) -> Any:
        """Return the next message."""
        return await self._inbox.get()

    async def send_text(self, data: str) -> None:
        """Take a message, which nobody looks at."""
        del data
        if self.closed.is_set():
            raise OSError("gone")

    async def send_bytes(self, data: bytes) -> None:
        """Take a message, which nobody looks at."""
        del data
        await self.send_text("")

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close from the runtime's side."""
        del reason
        self.drop(code)


class _NoVendors:
    async def ensure(self, providers: object) -> None:
        del providers


class Process:
    """One simulated process.

    Args:
        store: The real store.
        settings: The settings of all processes.
        luck: Where chance comes from.
        faults: Counts what happened.
        said: What each AIcall's bot said.
        disturbed: Collects the AIcalls that went out of their owner's hands.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        luck: random.Random,
        *,
        faults: Counter[str],
        said: dict[UUID, list[str]],
        disturbed: set[UUID],
    ) -> None:
        self.store = FaultyStore(store, luck, faults, disturbed)
        self._luck = luck
        self._said = said
        live_calls = LiveCalls()
        nothing = cast("Any", _NoVendors())
        self.services = Services(
            settings=settings,
            store=cast("Store", self.store),
            live_calls=live_calls,
            capacity=Capacity(
                max_calls=0,
                auto=None,
                draining=lambda: live_calls.draining,
                engine_busy=lambda: 0.0,
                on_refused=lambda _: None,
            ),
            inference=nothing,
            clients=nothing,
            preloader=nothing,
            metrics=Metrics(),
            api_key=SecretStr("x"),
            clock=loop_clock,
        )
        self._lines: dict[asyncio.Task[None], Line] = {}
        self._tasks = [
            asyncio.create_task(keep_lives(self.services)),
            asyncio.create_task(keep_sweeping(self.services)),
        ]

    @property
    def alive(self) -> bool:
        """Whether it was not killed."""
        return not self.store.dead

    def connect(self, resource_id: UUID, token: str) -> tuple[Line, asyncio.Task[None]]:
        """Let a phone system connect; the task raises `AicallError` when it is refused."""
        line = Line()
        handshake = Handshake(url="ws://x", path="/ws")
        work = conduct(self.services, line, handshake, str(resource_id), token, make=self._make)
        task = asyncio.create_task(self._conducting(work))
        self._lines[task] = line
        task.add_done_callback(self._over)
        return line, task

    def kill(self) -> None:
        """Die: nothing of it reaches the store or a phone system any more."""
        self.store.dead = True
        self.store.disturbed.update(self.services.live_calls.ids())
        for line in self._lines.values():
            line.drop(1006)
        for task in (*self._tasks, *self._lines):
            task.cancel()

    async def close(self) -> None:
        """End what is left."""
        for task in self._tasks:
            task.cancel()
        waiting = [*self._tasks, *self._lines]
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _conducting(self, work: Coroutine[Any, Any, None]) -> None:
        if not self.alive:
            work.close()
            raise Unavailable("the process is gone")
        await work

    def _over(self, task: asyncio.Task[None]) -> None:
        self._lines.pop(task).drop(1006)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, AicallError):
            raise error

    def _make(self, services: Services, what: Conversing) -> tuple[Any, Any]:
        del services
        said = self._said.setdefault(what.aicall.id, [])
        return FakeConversation(what, self._luck, said), cast("Any", _NoVoice())


class _NoVoice:
    circuits: Final[Mapping[str, object]] = MappingProxyType({})
