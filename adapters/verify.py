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
from adapters.seats import KEY_FIELDS, ProviderRow
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from adapters.validate import fallback_field, fallback_row
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField, NotFound, ProviderError
from models.options import SEATS


async def verify_ai(
    fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str], clients: SharedClients, *, timeout_s: float = 5.0
) -> None:
    """Ask all vendors of an AI at once, the fallbacks too, whether they accept the AI's keys. Nothing costs credit.

    Args:
        fields: The AI, checked by `adapters.validate.validate_ai`.
        secrets: Its keys.
        environ: Environment variables.
        clients: The process's shared clients.
        timeout_s: Longest a vendor's answer may take, seconds.

    Raises:
        InvalidField: A vendor refused the key; names ``engine_key``, ``parameter.stt_key``, ``parameter.tts_key`` or
            that of a fallback, for example ``parameter.fallback.stt[0].key``.
        ProviderError: A vendor cannot be asked.
    """
    seats = list(_seats(fields, secrets, environ))
    asked = [
        check_key(row, resolve_credentials(row, key, environ, options), clients, options=options, timeout_s=timeout_s)
        for _, row, key, options in seats
    ]
    failures = list(zip(seats, await asyncio.gather(*asked, return_exceptions=True), strict=True))
    # What the owner can mend comes first.
    for (field, row, _, _), error in failures:
        if isinstance(error, ProviderError) and not error.retryable:
            raise InvalidField(field, f"{row.label}: {error.message}") from None
    for _, error in failures:
        if isinstance(error, BaseException):
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
        # The vendor of the seat itself comes before its fallbacks, of which one may be the vendor too.
        mine = {
            its.seat: (its, given, its_options)
            for _, its, given, its_options in reversed(list(_seats(fields, secrets or AiSecrets(), environ)))
        }
        its, key, options = mine[row.seat]
        if its is not row:
            raise InvalidField("ai_id", f"is an AI of {its.label}")
    offers = await list_offers(row, what, resolve_credentials(row, key, environ, options), clients, options=options)
    if offers is None:
        raise NotFound(f"list of {what}", row.name)
    return offers


def _seats(
    fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str]
) -> Iterator[tuple[str, ProviderRow, SecretStr, dict[str, str]]]:
    """Every vendor of an AI with the field of its key, the key and all options: the three seats, then the fallbacks."""
    options = fields.options
    for row, key, given in (
        (LLM_TABLE[fields.engine.provider], secrets.engine_key, options.llm_options),
        (STT_TABLE[fields.stt_type], secrets.stt_key, options.stt_options),
        (TTS_TABLE[fields.tts_type], secrets.tts_key, options.tts_options),
    ):
        yield KEY_FIELDS[row.seat], row, key, resolve_options(row, given, environ)
    fallback = options.fallback
    for seat in SEATS:
        for number, (name, entry) in enumerate(zip(fallback.key_names(seat), fallback.of(seat), strict=True)):
            row = fallback_row(entry)
            field = fallback_field(row.seat, number, KEY_FIELDS[row.seat])
            yield field, row, secrets.fallback_key(name), resolve_options(row, entry.options, environ)
