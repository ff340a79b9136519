from __future__ import annotations

import json

from adapters.events.base import envelope
from tests.adapters.events.contract import make_event


def test_an_envelope_is_what_the_api_lists_and_always_the_same_bytes() -> None:
    event = make_event()
    assert json.loads(envelope(event)) == event.public()
    assert envelope(event) == envelope(event.model_copy(deep=True))
    assert list(json.loads(envelope(event))) == ["id", "type", "aicall_id", "sequence", "tm_create", "data"]
    assert "Grüße 👋".encode() in envelope(event)
