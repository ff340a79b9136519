"""``aicall worker``: exactly one call in one process, for orchestrators that spawn one worker per call."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

from cryptography.fernet import Fernet
from loguru import logger
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from adapters.store.base import GrantKind, MediaGrant
from adapters.validate import validate_ai
from models.ai import Ai, AiWrite
from models.aicall import Aicall, AicallWrite, EndReason
from models.errors import InvalidField
from models.event import status_event_type
from models.ids import DEFAULT_CUSTOMER_ID
from models.status import AicallStatus
from runtime.ending import end_unattended
from runtime.listener import received_signals
from runtime.server import running_server
from runtime.services import Services
from runtime.settings import Settings
from runtime.tokens import hash_token, new_token

Emit = Callable[[dict[str, Any]], None]
"""Writes one line of JSON. Called in a thread, one line after the other: whoever reads the lines may be slow."""

_GIVEN_FIELDS = frozenset(AicallWrite.model_fields) - {"assistance_id"}
_AICALL_FIELDS = frozenset(Aicall.model_fields) | {"media_url"}
_ENDED = status_event_type(AicallStatus.TERMINATED)
_BATCH = 100


@dataclass(frozen=True, slots=True)
class CallDocument:
    """The one JSON document that describes the call: ``{"aicall": {...}, "ai": {...}}``.

    Attributes:
        ai: The AI, with its secrets.
        aicall: What the AIcall is created from.
        aicall_id: The AIcall's id: the given one, else a new one.
        customer_id: Whose they are.
        ai_id: The AI's id: the given one, else a new one.
    """

    ai: AiWrite
    aicall: AicallWrite
    aicall_id: UUID
    customer_id: UUID
    ai_id: UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the document.

        Args:
            text: JSON. The AIcall may be a whole one, as the API writes it: the fields that follow from the AI are
                passed over, since the AI is given too.

        Raises:
            InvalidField: It is not JSON, or a field is missing or wrong; the error names it.
        """
        try:
            document = json.loads(text)
            # Python reads NaN and Infinity, which are not JSON and would spoil the lines that are written.
            json.dumps(document, allow_nan=False)
        except (ValueError, RecursionError):
            raise InvalidField("call", "is not JSON") from None
        if not isinstance(document, dict):
            raise InvalidField("call", "must be an object")
        if document.get("team") is not None:
            raise InvalidField("team", "teams are not available in this version; give an ai")
        given_ai, given_aicall = _part(document, "ai"), _part(document, "aicall")
        for name in given_aicall:
            if name not in _AICALL_FIELDS:
                raise InvalidField(f"aicall.{name}", "is no field of an AIcall")
        of_ai, of_aicall = _validated("ai", _Identity, given_ai), _validated("aicall", _Identity, given_aicall)
        ai = _validated("ai", AiWrite, given_ai)
        ai_id = of_ai.id or uuid4()
        fields = {name: value for name, value in given_aicall.items() if name in _GIVEN_FIELDS}
        aicall = _validated("aicall", AicallWrite, {**fields, "assistance_id": str(ai_id)})
        customer_id = of_aicall.customer_id or of_ai.customer_id or DEFAULT_CUSTOMER_ID
        return cls(ai, aicall, of_aicall.id or uuid4(), customer_id, ai_id)


class _Identity(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: UUID | None = None
    customer_id: UUID | None = None


_Model = TypeVar("_Model", bound=BaseModel)


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    if part is None and name == "ai":
        raise InvalidField(name, "is required")
    if part is not None and not isinstance(part, dict):
        raise InvalidField(name, "must be an object")
    return part or {}


def _validated(name: str, model: type[_Model], value: Mapping[str, Any]) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        context = first.get("ctx") or {}
        path = str(context.get("field") or ".".join(map(str, first["loc"])))
        raise InvalidField(f"{name}.{path}", str(first["msg"]).removeprefix("Value error, ")) from None


def _check_runs_here(ai: AiWrite) -> None:
    try:
        validate_ai(ai, ai.secrets(), os.environ)
    except InvalidField as error:
        raise InvalidField(f"ai.{error.field}", error.message) from None


async def run_single_call(settings: Settings, document: CallDocument, emit: Emit) -> EndReason:
    """Serve one call: listen, conduct it, report every event, end.

    The first SIGTERM lets the call run to its end (or ends the AIcall when nobody has connected), the second ends it.

    Args:
        settings: The settings; database and keys are the call's own and vanish with it.
        document: The call.
        emit: Gets ``{"event": "listening", "media_url": ...}``, then every event.

    Returns:
        Why the call ended.

    Raises:
        InvalidField: The AI cannot run here.
        OSError: The address cannot be used, or `emit` raised it: then the call is ended.
    """
    _check_runs_here(document.ai)
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
                media_url = await _create(services, document, base_url)
                await asyncio.to_thread(emit, {"event": "listening", "media_url": media_url})
                stopping = asyncio.create_task(_stop_on(signals, services, document.aicall_id), name="signals")
                try:
                    return await _report(services, document.aicall_id, emit)
                finally:
                    stopping.cancel()
                    await asyncio.wait({stopping})


async def _create(services: Services, document: CallDocument, base_url: str) -> str:
    now = services.clock()
    ai = Ai.create(document.ai, id=document.ai_id, customer_id=document.customer_id, now=now)
    await services.store.create_ai(ai)
    aicall = Aicall.create(document.aicall, ai, id=document.aicall_id, now=now)
    token = new_token()
    expiry = now + timedelta(seconds=services.settings.media_token_ttl_s)
    await services.store.create_aicall(aicall, grant=MediaGrant(GrantKind.AICALL, aicall.id, hash_token(token), expiry))
    base = services.settings.public_url or base_url
    return f"{base.replace('http', 'ws', 1) if base.startswith('http') else base}/ws/{aicall.id}/{token}"


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
