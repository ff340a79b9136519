"""``docs/protocols.md`` says of each protocol what the protocol does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.media.registry import ROWS
from tests.adapters.media.pairs import SETTINGS
from tests.adapters.media.protocols_table import COLUMNS, rows

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text(encoding="utf-8")


def table(first_column: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, the headings among them."""
    found = re.search(rf"^\| {first_column} \|.*\n\|[-| :]+\|\n((?:\|.*\|\n)+)", DOCUMENT, re.MULTILINE)
    assert found
    lines = found[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in (lines[0], *lines[2:])]


def test_every_protocol_has_a_row_and_no_other() -> None:
    headings, *written = table("protocol")
    assert headings == list(COLUMNS)
    assert [cells[0] for cells in written] == [cells[0] for cells in rows()]


@pytest.mark.parametrize("at", range(len(ROWS)), ids=[row.name for row in ROWS])
def test_what_a_protocol_does_is_in_its_row(at: int) -> None:
    _, *written = table("protocol")
    assert dict(zip(COLUMNS, written[at], strict=True)) == dict(zip(COLUMNS, rows()[at], strict=True))


def test_what_each_setting_costs_is_told() -> None:
    _, *costs = table("protocol, setting")
    assert [cells[0] for cells in costs] == [setting.wire.id for setting in SETTINGS]
