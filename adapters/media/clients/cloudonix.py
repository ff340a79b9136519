"""The phone system's side of a Cloudonix media stream, `adapters.media.cloudonix`."""

from __future__ import annotations

from typing import Any, ClassVar

from adapters.media.clients.twilio import TwilioClient


class CloudonixClient(TwilioClient):
    """One media stream as Cloudonix plays it: the leg's call id is the session, its account the domain."""

    name: ClassVar[str] = "cloudonix"
    rates_advice: ClassVar[str] = "Cloudonix media streams run at 8000 Hz"

    def _start(self) -> dict[str, Any]:
        leg = self.leg
        return {
            **super()._start(),
            "session": leg.call_id,
            "callSid": f"call-{leg.call_id}",
            "from": leg.from_,
            "to": leg.to,
            "context": "inbound",
            "customParameters": dict(leg.parameters),
        }
