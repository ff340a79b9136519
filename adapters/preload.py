"""Doing before a call what the first call of each vendor would do: an SDK's imports and its first request.

Both take up to seconds, in which no call's audio would move. So they are done in a thread: at the start of the process
for the vendors that stored AIs name, later for one that an AI names for the first time.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterable

from loguru import logger
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.table import LLM_TABLE
from adapters.rehearsal import rehearse
from adapters.requests import Credentials, LlmRequest, SttRequest, TtsRequest
from adapters.seats import ProviderRow, Seat, SeatTable
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE

EMBEDDED = frozenset({("llm", "script"), ("stt", "pocketsphinx"), ("tts", "espeak")})
"""What needs no key and no network: small, and what a first AI is likely to name."""

_TABLES: dict[str, SeatTable] = {table.seat: table for table in (LLM_TABLE, STT_TABLE, TTS_TABLE)}


class Preloader:
    """Loads vendors once each.

    Args:
        clients: The process's shared clients.
        freeze: Whether to tell the garbage collector that what was loaded stays. A full collection that goes through
            an SDK takes 0.2 s, and comes in the middle of calls.
    """

    def __init__(self, clients: SharedClients, *, freeze: bool = False) -> None:
        self._clients = clients
        self._freeze = freeze
        self._loaded: set[tuple[str, str]] = set()
        self._one_at_a_time = threading.Lock()

    def is_loaded(self, seat: str, name: str) -> bool:
        """Whether a vendor was loaded, or could not be."""
        return (seat, name) in self._loaded

    async def ensure(self, providers: Iterable[tuple[str, str]]) -> None:
        """Load those vendors that are not. What fails is left to the first call.

        Args:
            providers: Seats and names, as `models.options.named_providers` returns them.
        """
        missing = [provider for provider in providers if provider not in self._loaded]
        if missing:
            await asyncio.to_thread(self.load, missing)

    def load(self, providers: Iterable[tuple[str, str]]) -> None:
        """Load vendors here and now. Blocks for up to seconds of CPU; connects to nobody.

        Args:
            providers: As in `ensure`.
        """
        with self._one_at_a_time:
            rows = [_TABLES[seat][name] for seat, name in providers if not self.is_loaded(seat, name)]
            rows = [row for row in rows if row.runs and row.installed]
            if any(row.base_url for row in rows):
                self._clients.warm_transport()
            rehearse({sdk for row in rows if (sdk := sdk_of(row))})
            for row in rows:
                try:
                    row.load_factory()(row, _sample_request(row, self._clients))
                except Exception as error:  # noqa: BLE001 - of whatever kind a vendor's package raises
                    logger.warning("{} {} could not be loaded: {}", row.seat, row.name, type(error).__name__)
                self._loaded.add((row.seat, row.name))
            if rows and self._freeze:
                # Without a collection before it, which would take the time that this is to save.
                gc.freeze()


def sdk_of(row: ProviderRow) -> str:
    """The SDK of `adapters.rehearsal` that a vendor's service uses; '' for none."""
    if row.factory.startswith(("adapters.llm.openai:", "adapters.llm.perplexity:")):
        return "openai"
    return row.module


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
