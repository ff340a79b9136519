from __future__ import annotations

from typing import Any

import pytest

from adapters.answers.table import CARRIERS
from adapters.media.registry import PROTOCOLS


def test_every_carrier_is_a_media_protocol() -> None:
    assert set(CARRIERS) <= set(PROTOCOLS)
    assert [name for name, carrier in CARRIERS.items() if carrier.name != name] == []
    assert len({carrier.label for carrier in CARRIERS.values()}) == len(CARRIERS)


@pytest.mark.parametrize(
    ("carrier", "said", "call"),
    [
        ("twilio", {"CallSid": "CA1", "From": "+1", "To": "+2"}, ("CA1", "+1", "+2")),
        ("signalwire", {"CallSid": "c", "From": "+1", "To": "+2"}, ("c", "+1", "+2")),
        ("cloudonix", {"CallSid": "c", "Session": "s", "From": "1", "To": "2"}, ("s", "1", "2")),
        ("cloudonix", {"CallSid": "c"}, ("c", None, None)),
        ("telnyx", {"CallSid": "v3:x", "From": "+1", "To": "+2"}, ("v3:x", "+1", "+2")),
        ("plivo", {"CallUUID": "u", "From": "1", "To": "2"}, ("u", "1", "2")),
        ("vobiz", {"CallUUID": "u", "From": "1", "To": "2"}, ("u", "1", "2")),
        ("exotel", {"CallSid": "e", "CallFrom": "1", "CallTo": "2"}, ("e", "1", "2")),
        ("vonage", {"uuid": "u", "from": "1", "to": "2", "conversation_uuid": "CON"}, ("u", "1", "2")),
        ("jambonz", {"call_sid": "j", "from": "1", "to": "2"}, ("j", "1", "2")),
        ("twilio", {"CallSid": 7, "From": ["+1"], "To": None}, (None, None, None)),
        ("twilio", {}, (None, None, None)),
    ],
)
def test_what_a_request_says_of_the_call(carrier: str, said: dict[str, Any], call: tuple[Any, ...]) -> None:
    found = CARRIERS[carrier].call_of(said)
    assert (found.get("session"), found.get("from"), found.get("to")) == call
