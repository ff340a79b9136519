"""``aicall check``: a doctor that looks at everything a call needs and says what is wrong, one line each."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.credentials import resolve_credentials, resolve_options
from adapters.keys import check_key
from adapters.llm.table import LLM_TABLE
from adapters.seats import ProviderRow, SeatTable
from adapters.store.factory import create_store
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.errors import AicallError, InvalidField, ProviderError
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.silero import SileroSession, SileroState
from runtime.server import database_url, secret_key
from runtime.settings import Settings, load_settings, unknown_variables

TABLES: Sequence[SeatTable] = (LLM_TABLE, STT_TABLE, TTS_TABLE)

PUBLIC_URL_TIMEOUT_S = 5.0

_SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the doctor's report.

    Attributes:
        name: What was looked at.
        ok: Whether it is well; what is not set up at all is well too.
        detail: What was found. Never holds a key.
    """

    name: str
    ok: bool
    detail: str


async def run_checks(environ: Mapping[str, str], **given: Any) -> AsyncIterator[CheckResult]:
    """Look at everything, in the order in which a start would need it.

    Brings the database up to date, as a start would. Stops early only when the settings cannot be read.

    Args:
        environ: Environment variables, for vendor keys and endpoints.
        given: Settings that win over environment and file.
    """
    try:
        settings = load_settings(**given)
    except InvalidField as error:
        yield CheckResult("settings", ok=False, detail=f"{error.field}: {error.message}")
        return
    yield _settings(environ)
    yield _data_folder(settings)
    yield await _database(settings)
    yield await _models()
    for row in _rows():
        if not row.key_variable and row.runs:
            yield _embedded(row)
    clients = SharedClients()
    try:
        for row in _rows():
            if row.key_variable and row.runs:
                yield await _vendor(row, environ, clients)
    finally:
        await clients.aclose()
    yield await _public_url(settings)


def _rows() -> Iterator[ProviderRow]:
    for table in TABLES:
        yield from table.rows


def _settings(environ: Mapping[str, str]) -> CheckResult:
    unknown = unknown_variables(environ)
    if unknown:
        return CheckResult("settings", ok=False, detail=f"no such settings: {', '.join(unknown)}")
    return CheckResult("settings", ok=True, detail="read")


def _data_folder(settings: Settings) -> CheckResult:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            pass
    except OSError as error:
        return CheckResult("data folder", ok=False, detail=f"{settings.data_dir}: {error.strerror}")
    return CheckResult("data folder", ok=True, detail=f"{settings.data_dir} is writable")


async def _database(settings: Settings) -> CheckResult:
    """Open the database, bring its schema up to date and prove that the secret key is its own."""
    try:
        store = create_store(database_url(settings), secret_key=secret_key(settings))
        try:
            await store.open()
            await store.ping()
            revision = await store.schema_revision()
        finally:
            await store.close()
    except InvalidField as error:
        return CheckResult("database", ok=False, detail=f"{error.field}: {error.message}")
    except (AicallError, OSError) as error:
        return CheckResult("database", ok=False, detail=str(error))
    return CheckResult("database", ok=True, detail=f"opens, is at revision {revision}, and the secret key fits")


async def _models() -> CheckResult:
    """Load the bundled models and let each judge a little silence."""
    began = time.perf_counter()
    silence_s = 1
    try:
        engine = InferenceEngine()
        try:
            silence = SileroState(_SAMPLE_RATE_HZ)
            (speech,) = SileroSession().score([silence], [bytes(2 * silence.window_samples)])
            await engine.smart_turn.finished(bytes(2 * silence_s * _SAMPLE_RATE_HZ), _SAMPLE_RATE_HZ)
        finally:
            await engine.aclose()
    except Exception as error:  # noqa: BLE001
        # onnxruntime, numpy and the file system each fail in their own way; the doctor must go on.
        return CheckResult("models", ok=False, detail=f"Silero VAD or Smart Turn: {type(error).__name__}")
    if speech > 0.5:
        return CheckResult("models", ok=False, detail="Silero VAD hears speech in silence")
    elapsed_ms = (time.perf_counter() - began) * 1000
    return CheckResult("models", ok=True, detail=f"Silero VAD and Smart Turn load and run ({elapsed_ms:.0f} ms)")


def _embedded(row: ProviderRow) -> CheckResult:
    name = f"{row.seat} {row.name}"
    if not row.installed:
        return CheckResult(name, ok=True, detail=f"not installed; {row.why_not({})}")
    try:
        row.load_factory()
    except (AicallError, ImportError, OSError) as error:
        return CheckResult(name, ok=False, detail=f"does not load: {type(error).__name__}")
    return CheckResult(name, ok=True, detail="loads")


async def _vendor(row: ProviderRow, environ: Mapping[str, str], clients: SharedClients) -> CheckResult:
    name = f"{row.seat} {row.name}"
    if not environ.get(row.key_variable):
        return CheckResult(name, ok=True, detail=f"{row.key_variable} is not set")
    why_not = row.why_not(environ)
    if why_not:
        return CheckResult(name, ok=False, detail=why_not)
    try:
        options = resolve_options(row, {}, environ)
        credentials = resolve_credentials(row, SecretStr(""), environ, options)
        asked = await check_key(row, credentials, clients, options=options)
    except InvalidField as error:
        return CheckResult(name, ok=False, detail=f"{error.field} {error.message}")
    except ProviderError as error:
        return CheckResult(name, ok=False, detail=error.message)
    where = f" ({row.base_url_variable} is set)" if environ.get(row.base_url_variable) else ""
    detail = f"takes {row.key_variable}" if asked else f"{row.key_variable} is set; the vendor has no way to check it"
    return CheckResult(name, ok=True, detail=f"{detail}{where}")


async def _public_url(settings: Settings) -> CheckResult:
    """Ask this server's own health route by the way that phone systems come."""
    name = "public URL"
    if not settings.public_url:
        return CheckResult(name, ok=True, detail="AICALL_PUBLIC_URL is not set; taken from each request")
    scheme, _, rest = settings.public_url.partition("://")
    url = f"{scheme.replace('ws', 'http')}://{rest}/healthz"
    try:
        async with asyncio.timeout(PUBLIC_URL_TIMEOUT_S), httpx.AsyncClient() as client:
            status = (await client.get(url)).status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return CheckResult(name, ok=False, detail=f"{settings.public_url}: {type(error).__name__}")
    if status != httpx.codes.OK:
        return CheckResult(name, ok=False, detail=f"{settings.public_url}/healthz answers {status}")
    return CheckResult(name, ok=True, detail=f"{settings.public_url} reaches a healthy server")
