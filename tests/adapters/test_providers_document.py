"""``docs/providers.md`` says what the tables of the seats say, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.clients import VendorLimits
from adapters.providers import TABLES
from adapters.seats import ProviderRow, Seat, SeatTable

DOCUMENT = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
_FEW = 6
"""Most languages that the table lists; of more it tells the number."""

HEADINGS = {Seat.LLM: "## Language models", Seat.STT: "## Recognisers", Seat.TTS: "## Voices"}


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its own."""
    section = DOCUMENT[DOCUMENT.index(heading) :]
    found = re.search(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", section, re.MULTILINE)
    assert found
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def code(text: str) -> str:
    return f"`{text}`" if text else "\N{EN DASH}"


def cells(row: ProviderRow) -> list[str]:
    written = [code(row.name), row.label, code(row.key_variable)]
    written += [code(row.base_url_variable if row.key_variable else ""), code(row.extra), code(row.default_model)]
    if row.seat is Seat.TTS:
        written.append(code(row.default_voice))
    names = [option.name for option in row.options] + ["base_url"] * row.own_endpoint
    written.append(" ".join(map(code, names)) or "\N{EN DASH}")
    few = len(row.languages) <= _FEW
    languages = (" ".join(map(code, row.languages)) if few else f"{len(row.languages)}") or "any"
    return [*written, languages, "stand-in" if row.key_variable else "itself"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.seat)
def test_what_runs_is_in_the_document(table: SeatTable) -> None:
    assert table_below(HEADINGS[table.seat]) == [cells(row) for row in table.rows if row.runs]


def test_the_retired_are_named() -> None:
    for table in TABLES:
        for row in table.rows:
            assert not row.retired or f"{code(row.name)} closed" in DOCUMENT


def test_the_limits_are_those_of_the_process() -> None:
    limits = VendorLimits()
    told = {name: value for name, value, *_ in table_below("A failure is counted.")}
    assert told == {
        "for a connection": f"{limits.connect_s:g} s",
        "for the next piece of a model's answer or a transcript, the first included": f"{limits.quiet_s:g} s",
        "for the next piece of speech": f"{limits.voice_quiet_s:g} s",
        "repeats of a request before its first byte": f"{limits.retries}",
        "connections of a WebSocket that may fail in a row": f"{limits.reconnects}",
        "pause between them": f"{limits.reconnect_wait_s:g} s",
        "for any result of the recogniser after the caller fell silent": "`AICALL_STT_STALL_S`",
        "for the model's next token": "`AICALL_LLM_STALL_S`",
        "for the first audio of the voice": "`AICALL_TTS_STALL_S`",
    }
