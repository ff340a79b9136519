from __future__ import annotations

from typing import Any

import pytest

from adapters.callcontrol.transfer import Destination, Transfer, TransferMode, spoken, transfer_of
from models.errors import ToolFailed


def test_what_is_asked_for() -> None:
    ann = {"type": "Tel", "target": "tel:+1 (555) 123-0001", "target_name": "Ann\n"}
    transfer = transfer_of({"destinations": [ann, {"type": "agent", "target": "7"}]})
    destinations = (Destination("tel", "+15551230001", "Ann"), Destination("agent", "7"))
    assert transfer == Transfer(destinations, "", TransferMode.COLD, "")
    assert transfer.kinds == {"tel", "agent"}


def test_how_it_is_asked_for() -> None:
    arguments = {
        "destinations": [{"type": "sip", "target": "ann@example.com"}],
        "source": {"type": "tel", "target": "15557770000"},
        "mode": "warm",
        "summary": "Ann\x00 wants\na table.",
    }
    transfer = transfer_of(arguments, "de-DE")
    assert transfer.destinations == (Destination("sip", "sip:ann@example.com"),)
    assert (transfer.caller_id, transfer.mode) == ("15557770000", TransferMode.WARM)
    assert (transfer.summary, transfer.language) == ("Ann  wants a table.", "de-DE")
    # A recogniser's "multi" is no voice's language.
    assert transfer_of(arguments, "multi").language == ""


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("tel", ""),
        ("tel", "+"),
        ("tel", "1" * 16),
        ("tel", "+1555<Sip>"),
        ("sip", "sip:"),
        ("sip", 'a"b@c'),
        ("sip", "a" * 300),
        ("extension", " "),
        ("extension", "1\x07"),
    ],
)
def test_what_is_no_address(kind: str, target: str) -> None:
    address: dict[str, Any] = {"type": kind, "target": target}
    with pytest.raises(ToolFailed):
        transfer_of({"destinations": [address]})


def test_a_summary_is_short() -> None:
    assert len(spoken("x" * 10_000)) == 500
