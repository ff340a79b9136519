"""Cloudonix media streams, as the server of a bidirectional CXML ``<Connect><Stream>``.

The messages of Twilio Media Streams, whose ``start`` says more: ``session`` (the token by which the REST API knows the
call), ``from``, ``to`` and ``context`` (``outbound-api`` for a call that the API placed). ``accountSid`` is the domain.
Whether pending marks are echoed on a ``clear`` is not documented; they are taken as Twilio's, and the end of a call
waits for no mark longer than `pipelines.media.output` allows.

Source: https://developers.cloudonix.com/Documentation/voiceApplication/Operations; the further fields of the ``start``
as https://github.com/dograh-hq/dograh reads them
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Handshake, Message, Started
from adapters.media.twilio import TwilioProtocol, peek_start
from models.errors import MediaProtocolError

_ALSO_TOLD: Final = ("callSid", "context")
"""What of the ``start`` goes among the parameters, where no custom one has the name."""


class CloudonixProtocol(TwilioProtocol):
    """One Cloudonix media stream.

    `Started.call_id` is the session token and `Started.account_id` the domain, the two that call control needs; the
    ``callSid`` is among the parameters. A ``start`` without a session is refused (fatal): nothing could be done with
    such a call.
    """

    name: ClassVar[str] = "cloudonix"
    label: ClassVar[str] = "Cloudonix"

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request has nothing of Cloudonix' own."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` in Twilio's form with a ``session``."""
        start = peek_start(message)
        return start is not None and "session" in start

    def _read_start(self, document: dict[str, Any]) -> Started:
        started = super()._read_start(document)
        start = wire.section(document.get("start"))
        session = wire.text(start.get("session"))
        if not session:
            raise MediaProtocolError("the start has no session")
        told = {name: wire.text(start.get(name)) for name in _ALSO_TOLD}
        parameters = {**{name: value for name, value in told.items() if value}, **started.parameters}
        return replace(started, call_id=session, parameters=parameters)
