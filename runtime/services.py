"""What the process is made of, handed to whoever serves a request or a call."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Depends
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from adapters.breaker import Circuits
from adapters.clients import SharedClients
from adapters.preload import Preloader
from adapters.store.base import Store
from pipelines.speech.greeting_cache import GreetingCache
from pipelines.speech.phrase_recorder import PhraseRecorder
from pipelines.tools.host import ToolDesk
from pipelines.vad.inference import InferenceEngine
from runtime.calls.live_calls import LiveCalls
from runtime.capacity import Capacity
from runtime.knowledge import KnowledgeDesk
from runtime.metrics import Metrics
from runtime.settings import Settings
from runtime.text.desk import TextDesk


def utc_now() -> datetime:
    """Return the present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request handler or a call worker needs of its process.

    Attributes:
        settings: The settings.
        store: The store, open.
        live_calls: The calls of this process.
        capacity: How many more it takes.
        inference: The models that all calls share, loaded.
        clients: The vendors' HTTP pools and the TLS context that all calls share.
        preloader: Loads the vendors that calls need.
        metrics: Where to count.
        greetings: The greetings that were synthesised once.
        phrases: Records the sentences that calls may need at once; its cache is `greetings`.
        circuits: What the calls of this process know of vendors that fail.
        api_key: Bearer key of the HTTP API.
        clock: Returns the present moment, in UTC.
        environ: Environment variables, for vendor keys and endpoints.
        tools: What the tools of calls reach outside of the process.
        closing: Set when the server stops: endless responses end then.
        webhooks_changed: Set by whoever changed webhooks or dead letters, for the relay to look at them at once.
        texts: The conversations and tasks in which this process does something at the moment.
        scrape: Returns the metrics of all processes behind the port, in the Prometheus text format; None where this
            is the only one.
        knowledge: Makes the vectors of knowledge bases, where they have any.
        dialled: The tasks of calls whose phone system this process has dialled.
    """

    settings: Settings
    store: Store
    live_calls: LiveCalls
    capacity: Capacity
    inference: InferenceEngine
    clients: SharedClients
    preloader: Preloader
    metrics: Metrics
    api_key: SecretStr
    greetings: GreetingCache = field(default_factory=GreetingCache)
    phrases: PhraseRecorder | None = None
    circuits: Circuits = field(default_factory=lambda: Circuits(time.monotonic))
    clock: Callable[[], datetime] = utc_now
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    tools: ToolDesk = field(default_factory=ToolDesk, repr=False)
    closing: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    webhooks_changed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    scrape: Callable[[], Awaitable[bytes]] | None = None
    texts: TextDesk = field(default_factory=TextDesk)
    knowledge: KnowledgeDesk = field(default_factory=KnowledgeDesk, repr=False)
    dialled: set[asyncio.Task[None]] = field(default_factory=set, repr=False)


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the application that this request or WebSocket belongs to."""
    return cast("Services", connection.app.state.services)


CurrentServices = Annotated[Services, Depends(services_of)]
"""A route parameter that receives the services."""
