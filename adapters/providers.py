"""What runs here: for people and clients (``GET /v1.0/providers``, ``aicall check``), and for the process itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.breaker import Circuits, CircuitState
from adapters.llm.table import LLM_TABLE
from adapters.seats import ProviderOption, ProviderRow, SeatTable
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE

_HEALTH = {CircuitState.CLOSED: "working", CircuitState.HALF_OPEN: "probing", CircuitState.OPEN: "failing"}

TABLES: tuple[SeatTable, ...] = (LLM_TABLE, STT_TABLE, TTS_TABLE)
"""The tables of all seats."""


def providers_document(environ: Mapping[str, str], circuits: Circuits | None = None) -> dict[str, list[dict[str, Any]]]:
    """Describe every provider of every seat.

    Args:
        environ: Environment variables; of keys, only whether they are set is told.
        circuits: What the calls know of vendors that fail.

    Returns:
        ``llm``, ``stt`` and ``tts``, each a list of providers in the order of the seeds.
    """
    return {table.seat.value: [_describe(row, environ, circuits) for row in table.rows] for table in TABLES}


def _describe(row: ProviderRow, environ: Mapping[str, str], circuits: Circuits | None) -> dict[str, Any]:
    health = None if circuits is None else circuits.health(row.seat.value, row.name)
    why_not = row.why_not(environ)
    return {
        "name": str(row.name),
        "label": row.label,
        "runs": not why_not,
        "why_not": why_not or None,
        "health": None if health is None else _HEALTH[health],
        "key_variable": row.key_variable or None,
        "key_set": bool(row.key_variable and environ.get(row.key_variable)),
        "base_url_variable": row.base_url_variable,
        "base_url_set": bool(environ.get(row.base_url_variable)),
        "own_endpoint": row.own_endpoint,
        "options": [_describe_option(option) for option in row.options] or None,
        "extra": row.extra or None,
        "installed": row.installed,
        "default_model": row.default_model or None,
        "default_voice": row.default_voice or None,
        "voices": list(row.voices) or None,
        "languages": list(row.languages) or None,
        "sample_rates_hz": list(row.sample_rates_hz) or None,
        "capabilities": sorted(row.capabilities),
    }


def _describe_option(option: ProviderOption) -> dict[str, Any]:
    return {
        "name": option.name,
        "summary": option.summary,
        "required": option.required,
        "variable": option.variable or None,
        "default": option.default or None,
    }
