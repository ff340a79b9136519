from __future__ import annotations

import pytest

from adapters.media.base import Reply, Started
from adapters.media.clients.base import CallLeg
from adapters.media.registry import ROWS, ProtocolRow
from models.errors import InvalidField


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_rate_that_the_protocol_cannot_carry_is_refused(row: ProtocolRow) -> None:
    with pytest.raises(InvalidField) as caught:
        row.client(CallLeg(stream_id="MZ1", call_id="CA1", sample_rate_hz=44100))
    assert caught.value.field == "sample_rate_hz"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_leg_needs_no_more_than_its_ids(row: ProtocolRow) -> None:
    client = row.client(CallLeg(stream_id="MZ1", call_id="CA1"))
    server = row.protocol()
    events = [event for message in client.opening() for event in server.receive(message)]
    first, *others = [event for event in events if not isinstance(event, Reply)]
    assert isinstance(first, Started)
    assert not any(isinstance(event, Started) for event in others)
