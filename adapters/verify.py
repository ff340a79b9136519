"""Asking the vendors of an AI about its keys, and about the voices and models that an account has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.credentials import resolve_credentials, resolve_options
from adapters.keys import check_key, list_offers
from adapters.llm.table import LLM_TABLE
from adapters.seats import KEY_FIELDS, ProviderRow, Seat
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField, NotFound, ProviderError


async def verify_ai(
    fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str], clients: SharedClients, *, timeout_s: float = 5.0
) -> None:
    """Ask the vendors of all three seats at once whether they accept the AI's keys. Nothing costs credit.

    Args:
        fields: The AI, checked by `adapters.validate.validate_ai`.
        secrets: Its keys.
        environ: Environment variables.
        clients: The process's shared clients.
        timeout_s: Longest a vendor's answer may take, seconds.

    Raises:
        InvalidField: A vendor refused the key; names ``engine_key``, ``parameter.stt_key`` or ``parameter.tts_key``.
        ProviderError: A vendor cannot be asked.
    """
    asked = [
        check_key(row, resolve_credentials(row, key, environ, options), clients, options=options, timeout_s=timeout_s)
        for row, key, options in _seats(fields, secrets, environ)
    ]
    failures = [error for error in await asyncio.gather(*asked, return_exceptions=True) if error is not None]
    # What the owner can mend comes first.
    failures.sort(key=lambda error: isinstance(error, ProviderError) and error.retryable)
    for error in failures:
        if isinstance(error, ProviderError) and not error.retryable:
            raise InvalidField(KEY_FIELDS[Seat(error.seat)], f"{error.provider}: {error.message}") from None
        raise error


async def offers_of(
    row: ProviderRow,
    what: str,
    environ: Mapping[str, str],
    clients: SharedClients,
    *,
    fields: AiFields | None = None,
    secrets: AiSecrets | None = None,
) -> list[Offer]:
    """List the voices or the models that an account can use.

    Args:
        row: The vendor.
        what: ``voices`` or ``models``.
        environ: Environment variables.
        clients: The process's shared clients.
        fields: The AI whose account it is; None for the account of the vendor's usual variable.
        secrets: Its keys.

    Raises:
        NotFound: The vendor has no such list.
        InvalidField: The AI has another vendor, or there is no key.
        ProviderError: The vendor refused the key or cannot be asked.
    """
    if what == "voices" and row.voices:
        return [Offer(voice) for voice in row.voices]
    row.require_usable(environ)
    key, options = SecretStr(""), resolve_options(row, {}, environ)
    if fields is not None:
        mine = {its.seat: (its, given, set_) for its, given, set_ in _seats(fields, secrets or AiSecrets(), environ)}
        its, key, options = mine[row.seat]
        if its is not row:
            raise InvalidField("ai_id", f"is an AI of {its.label}")
    offers = await list_offers(row, what, resolve_credentials(row, key, environ, options), clients, options=options)
    if offers is None:
        raise NotFound(f"list of {what}", row.name)
    return offers


def _seats(
    fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str]
) -> Iterator[tuple[ProviderRow, SecretStr, dict[str, str]]]:
    options = fields.options
    for row, key, given in (
        (LLM_TABLE[fields.engine.provider], secrets.engine_key, options.llm_options),
        (STT_TABLE[fields.stt_type], secrets.stt_key, options.stt_options),
        (TTS_TABLE[fields.tts_type], secrets.tts_key, options.tts_options),
    ):
        yield row, key, resolve_options(row, given, environ)
