"""What runs here: for people and clients (``GET /v1.0/providers``, ``aicall check``), and for the process itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from adapters.breaker import Circuits, CircuitState
from adapters.clients import SharedClients
from adapters.llm.table import LLM_TABLE
from adapters.requests import Credentials, LlmRequest, SttRequest, TtsRequest
from adapters.seats import ProviderOption, ProviderRow, Seat, SeatTable
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


def preload(clients: SharedClients) -> None:
    """Import and make once every service that can run here, so that no call does it first.

    Blocks for about 2 s of CPU; connects to nobody.

    Args:
        clients: The process's shared clients; they are warm afterwards.
    """
    clients.warm()
    for table in TABLES:
        for row in table.rows:
            if not row.why_not({}):
                row.load_factory()(row, _sample_request(row, clients))


def _sample_request(row: ProviderRow, clients: SharedClients) -> LlmRequest | SttRequest | TtsRequest:
    """Make a request with a value for everything. A key of another form than this one is read by no factory."""
    needed = {option.name for option in row.options if option.required or row.default_model in option.needed_by}
    options = {it.name: it.default or ("sample" if it.name in needed else "") for it in row.options}
    credentials = Credentials(SecretStr("unused"), row.base_url.format_map(options), "unused")
    match row.seat:
        case Seat.LLM:
            return LlmRequest(
                model=row.default_model,
                system_instruction="",
                credentials=credentials,
                clients=clients,
                function_call_timeout_s=1.0,
                options=options,
            )
        case Seat.STT:
            return SttRequest(
                language="",
                sample_rate_hz=8000,
                phrases=("hello",),
                extra_wait_s=0.0,
                credentials=credentials,
                clients=clients,
                model=row.default_model,
                options=options,
            )
        case Seat.TTS:
            return TtsRequest(
                voice=row.default_voice,
                language="",
                sample_rate_hz=row.sample_rate_for(8000),
                credentials=credentials,
                clients=clients,
                model=row.default_model,
                options=options,
            )
