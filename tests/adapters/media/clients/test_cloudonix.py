from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg
from adapters.media.clients.cloudonix import CloudonixClient
from models.errors import InvalidField

LEG = CallLeg("MZ1", "session-1", "acme.cloudonix.net", from_="+15551230001", to="100", parameters={"plan": "gold"})


def test_the_start_says_more_than_twilios() -> None:
    connected, start = (json.loads(message) for message in CloudonixClient(LEG).opening())
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start["streamSid"] == "MZ1"
    assert start["start"] == {
        "accountSid": "acme.cloudonix.net",
        "streamSid": "MZ1",
        "callSid": "call-session-1",
        "session": "session-1",
        "from": "+15551230001",
        "to": "100",
        "context": "inbound",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"plan": "gold"},
    }


def test_wide_band_is_refused() -> None:
    with pytest.raises(InvalidField, match="Cloudonix"):
        CloudonixClient(CallLeg("MZ1", "s", sample_rate_hz=16000))
