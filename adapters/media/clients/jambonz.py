"""The side of jambonz' ``listen`` verb.

Source: https://docs.jambonz.org/verbs/verbs/listen
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.media.clients.base import ClientEvent, Hangup
from adapters.media.clients.mod_audio_fork import ModAudioForkClient
from adapters.media.jambonz import JambonzProtocol


class JambonzClient(ModAudioForkClient):
    """One ``listen``: mod_audio_fork's stream, on which ``disconnect`` ends the verb."""

    name: ClassVar[str] = JambonzProtocol.name
    subprotocol: ClassVar[str | None] = JambonzProtocol.subprotocol

    @property
    def query(self) -> Mapping[str, str]:
        """Nothing: the first message names the rate."""
        return {}

    def _attributes(self) -> dict[str, object]:
        return {"direction": "inbound", "callStatus": "in-progress", **super()._attributes()}

    def _command(self, type_: object, document: dict[str, Any]) -> list[ClientEvent]:
        return [Hangup()] if type_ == "disconnect" else super()._command(type_, document)
