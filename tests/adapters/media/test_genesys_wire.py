from __future__ import annotations

import pytest

from adapters.media import genesys_wire
from models.errors import MediaProtocolError


@pytest.mark.parametrize(
    ("text", "duration_s"), [("PT0S", 0.0), ("PT1.5S", 1.5), ("PT.25S", 0.25), ("PT3600S", 3600.0), ("PT007S", 7.0)]
)
def test_durations(text: str, duration_s: float) -> None:
    assert genesys_wire.duration_s(text) == duration_s


@pytest.mark.parametrize("wrong", [None, 5, "", "PTS", "PT1", "1S", "P1D", "PT1.S", "PT1,5S", "PT1S ", "PT²S", "PT-1S"])
def test_what_is_no_duration(wrong: object) -> None:
    with pytest.raises(MediaProtocolError):
        genesys_wire.duration_s(wrong)


def test_sequence_numbers() -> None:
    assert [genesys_wire.sequence_number(number) for number in (0, 1, 2**53)] == [0, 1, 2**53]
    wrong: object
    for wrong in (-1, 2**53 + 1, 1.0, "1", True, None):
        with pytest.raises(MediaProtocolError):
            genesys_wire.sequence_number(wrong)


def test_the_callers_channel() -> None:
    assert genesys_wire.caller_channel({"channels": ["external"]}) == (0, 1)
    assert genesys_wire.caller_channel({"channels": ["internal", "external"]}) == (1, 2)


def test_an_envelope() -> None:
    document = {
        "version": "2",
        "id": "s",
        "type": "ping",
        "seq": 2,
        "serverseq": 1,
        "position": "PT1.5S",
        "parameters": {"rtt": "PT0.1S"},
        "more": 1,
    }
    expected = genesys_wire.ClientMessage("ping", "s", 2, 1, {"rtt": "PT0.1S"})
    assert genesys_wire.read_message(document) == expected
    for key in document.keys() - {"more"}:
        with pytest.raises(MediaProtocolError):
            genesys_wire.read_message({name: value for name, value in document.items() if name != key})


def test_an_open() -> None:
    parameters = {
        "conversationId": genesys_wire.NIL_ID,
        "organizationId": "o",
        "media": [],
        "participant": {"aniName": "Jane"},
    }
    opening = genesys_wire.read_open("s", parameters)
    assert opening.is_probe
    assert opening.media is None
    assert not opening.wants_languages
    assert opening.started.parameters == {"aniName": "Jane"}
    assert not genesys_wire.read_open("s", {**parameters, "conversationId": "c"}).is_probe
