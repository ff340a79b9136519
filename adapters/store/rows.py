"""Between models and table rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping

from adapters.store.base import GrantKind, MediaGrant
from adapters.store.secrets import SecretBox
from models.ai import Ai
from models.aicall import Aicall
from models.event import Event
from models.message import Message

_AICALL_FIELDS = frozenset(Aicall.model_fields)
_MESSAGE_FIELDS = frozenset(Message.model_fields)


def ai_to_row(ai: Ai, box: SecretBox) -> dict[str, Any]:
    """Return an AI's columns, its secrets sealed."""
    row = {name: getattr(ai, name) for name in Ai.model_fields}
    row["vad_config"] = ai.vad_config.model_dump() if ai.vad_config else None
    row["secrets"] = box.seal_secrets(ai.secrets)
    return row


def ai_from_row(row: RowMapping, box: SecretBox) -> Ai:
    """Return the AI of a row.

    Raises:
        AicallError: The secrets were sealed with another key.
    """
    return Ai.model_validate({**row, "secrets": box.unseal_secrets(row["secrets"])})


def aicall_to_row(aicall: Aicall) -> dict[str, Any]:
    """Return an AIcall's columns, without those that are the store's own."""
    row = {name: getattr(aicall, name) for name in _AICALL_FIELDS}
    row["ai_vad_config"] = aicall.ai_vad_config.model_dump() if aicall.ai_vad_config else None
    return row


def aicall_from_row(row: RowMapping) -> Aicall:
    """Return the AIcall of a row; columns that are the store's own are passed over."""
    return Aicall.model_validate({name: row[name] for name in _AICALL_FIELDS})


def message_to_row(message: Message, sequence: int) -> dict[str, Any]:
    """Return a message's columns.

    Args:
        message: The message.
        sequence: Sequence of the event that tells of it.
    """
    row = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
    row["tool_calls"] = [call.model_dump() for call in message.tool_calls]
    row["sequence"] = sequence
    return row


def message_from_row(row: RowMapping) -> Message:
    """Return the message of a row."""
    return Message.model_validate({name: row[name] for name in _MESSAGE_FIELDS})


def event_from_row(row: RowMapping) -> Event:
    """Return the event of a row."""
    return Event.model_validate({**row, "id": str(row["id"])})


def grant_to_row(grant: MediaGrant) -> dict[str, Any]:
    """Return a media token's columns."""
    return {
        "resource_id": grant.resource_id,
        "kind": grant.kind,
        "token_sha256": grant.token_sha256,
        "tm_expire": grant.tm_expire,
        "audiosocket_sha256": grant.audiosocket_sha256,
    }


def grant_from_row(row: RowMapping) -> MediaGrant:
    """Return the media token of a row."""
    return MediaGrant(**{**row, "kind": GrantKind(row["kind"])})
