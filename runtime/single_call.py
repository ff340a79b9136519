"""``aicall worker``: exactly one call in one process, for orchestrators that spawn one worker per call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from loguru import logger
from pydantic import SecretStr

from adapters.store.base import GrantKind
from adapters.validate import validate_ai
from models.ai import Ai
from models.aicall import Aicall, EndReason
from models.errors import InvalidField
from models.event import status_event_type
from models.status import AicallStatus
from models.team import Team
from runtime.call_document import CallDocument
from runtime.ending import end_unattended
from runtime.listener import received_signals
from runtime.media_access import audiosocket_access, media_grant
from runtime.server import running_server
from runtime.services import Services
from runtime.settings import Settings
from runtime.tokens import new_token

Emit = Callable[[dict[str, Any]], None]
"""Writes one line of JSON. Called in a thread, one line after the other: whoever reads the lines may be slow."""

_ENDED = status_event_type(AicallStatus.TERMINATED)
_BATCH = 100


def _check_runs_here(document: CallDocument) -> None:
    for number, ai in enumerate(document.ais.values()):
        try:
            validate_ai(ai, ai.secrets(), os.environ)
        except InvalidField as error:
            where = "ai" if document.team is None else f"ais[{number}]"
            raise InvalidField(f"{where}.{error.field}", error.message) from None


async def run_single_call(settings: Settings, document: CallDocument, emit: Emit) -> EndReason:
    """Serve one call: listen, conduct it, report every event, end.

    The first SIGTERM lets the call run to its end (or ends the AIcall when nobody has connected), the second ends it.

    Args:
        settings: The settings; database and keys are the call's own and vanish with it.
        document: The call.
        emit: Gets ``{"event": "listening", "media_url": ...}`` (and ``audiosocket_uuid`` where that is served), then
            every event.

    Returns:
        Why the call ended.

    Raises:
        InvalidField: The AI cannot run here.
        OSError: The address cannot be used, or `emit` raised it: then the call is ended.
    """
    _check_runs_here(document)
    with TemporaryDirectory(prefix="aicall-") as folder:
        own = settings.model_copy(
            update={
                "data_dir": Path(folder),
                "database": ":memory:",
                "api_key": SecretStr(new_token()),
                "secret_key": SecretStr(Fernet.generate_key().decode()),
                "max_calls": 1,
                "admission": "fixed",
            }
        )
        with received_signals() as signals:
            async with running_server(own, warm=True) as (base_url, services):
                access = await _create(services, document, base_url)
                await asyncio.to_thread(emit, {"event": "listening", **access})
                stopping = asyncio.create_task(_stop_on(signals, services, document.aicall_id), name="signals")
                try:
                    return await _report(services, document.aicall_id, emit)
                finally:
                    stopping.cancel()
                    await asyncio.wait({stopping})


async def _create(services: Services, document: CallDocument, base_url: str) -> dict[str, str]:
    now = services.clock()
    made = {
        ai_id: Ai.create(ai, id=ai_id, customer_id=document.customer_id, now=now) for ai_id, ai in document.ais.items()
    }
    for ai in made.values():
        await services.store.create_ai(ai)
    team = None
    if document.team is not None:
        team = Team.create(document.team, id=document.assistance_id, customer_id=document.customer_id, now=now)
        await services.store.create_team(team)
    aicall = Aicall.create(document.aicall, made[document.ai_id], id=document.aicall_id, now=now, team=team)
    token = new_token()
    expiry = now + timedelta(seconds=services.settings.media_token_ttl_s)
    grant = media_grant(services.settings, GrantKind.AICALL, aicall.id, token, expiry)
    await services.store.create_aicall(aicall, grant=grant)
    base = services.settings.public_url or base_url
    media_url = f"{base.replace('http', 'ws', 1) if base.startswith('http') else base}/ws/{aicall.id}/{token}"
    return {"media_url": media_url, **audiosocket_access(services.settings, token)}


async def _report(services: Services, aicall_id: UUID, emit: Emit) -> EndReason:
    cursor = ""
    while True:
        for event in await services.store.list_events(after=cursor, limit=_BATCH, customer_id=None):
            cursor = event.id
            # Not on the event loop, where a reader that is slow would stop the call's audio.
            await asyncio.to_thread(emit, event.public())
            if event.type == _ENDED and event.aicall_id == aicall_id:
                return EndReason(event.data["end_reason"])
        await services.store.wait_events(after=cursor, timeout_s=60.0)


async def _stop_on(signals: asyncio.Queue[int], services: Services, aicall_id: UUID) -> None:
    await signals.get()
    if len(services.live_calls) == 0:
        await end_unattended(services, aicall_id, EndReason.DRAIN)
        return
    logger.info("draining: the call runs to its end")
    draining = asyncio.create_task(services.live_calls.drain(services.settings.drain_timeout_s), name="drain")
    try:
        await signals.get()
        await services.live_calls.terminate(aicall_id, EndReason.DRAIN)
    finally:
        draining.cancel()
        await asyncio.wait({draining})
