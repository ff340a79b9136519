"""The phone system's side of Vobiz audio streams, where it differs from Plivo's.

Source: https://docs.vobiz.ai/xml/stream/stream-events
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.media.base import Message
from adapters.media.clients.base import ClientEvent, Hangup
from adapters.media.clients.plivo import PlivoClient
from models.errors import MediaProtocolError


class VobizClient(PlivoClient):
    """One audio stream as Vobiz plays it; see `PlivoClient`."""

    name: ClassVar[str] = "vobiz"
    audio_names_stream: ClassVar[bool] = True
    first_number: ClassVar[int] = 0

    def send_mark_reached(self, name: str) -> list[Message]:
        """``playedStream``, which has no stream id and no number here."""
        return [json.dumps({"event": "playedStream", "name": name})]

    def _other(self, event: object, document: dict[str, Any]) -> list[ClientEvent]:
        if event == "stop":
            self._require_stream(document)
            return [Hangup()]
        raise MediaProtocolError("unknown event")

    def _written(self, parameters: Mapping[str, str]) -> str:
        return json.dumps(dict(parameters), ensure_ascii=False)
