"""Refusing an AI when it is saved rather than when it is called: everything about its vendors that is known here."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from adapters.credentials import resolve_credentials, resolve_options
from adapters.guard import AddressGuard, allows_private
from adapters.llm.table import LLM_TABLE
from adapters.local_models import LocalRow
from adapters.seats import KEY_FIELDS, OPTION_FIELDS, ProviderRow, Seat
from adapters.stt.languages import check_model
from adapters.stt.table import STT_TABLE
from adapters.tools.mcp import mcp_installed
from adapters.tools.schemas import meta_problem
from adapters.tts.table import TTS_TABLE
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField
from models.options import SEATS, LlmFallback, SttFallback, TtsFallback
from models.providers import EngineModel, LlmProvider, SttType


def validate_ai(fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str]) -> None:
    """Check that calls of this AI can run here. Reads files at most; asks no vendor.

    Args:
        fields: The AI.
        secrets: Its keys.
        environ: Environment variables.

    Raises:
        InvalidField: A provider or a model is retired, a provider not available in this version, or its extra missing;
            a key or an option is missing or wrong; the script does not exist; the voice is missing or unknown; the
            recogniser does not know the language; the same of a fallback; the URL of a tool is none, or not
            allowed. Names the field, of a fallback for example
            ``parameter.fallback.stt[0].stt_type``.
    """
    options = fields.options
    llm = LLM_TABLE[fields.engine.provider]
    llm.require_usable(environ)
    llm.check_model(fields.engine.model, environ, resolve_options(llm, options.llm_options, environ))
    _check(llm, secrets.engine_key, environ, options.llm_options)
    if fields.engine.provider == LlmProvider.SCRIPT:
        _check_script(fields.engine.model)
    stt = STT_TABLE[fields.stt_type]
    _check(stt, secrets.stt_key, environ, options.stt_options)
    _check_language(stt, fields.stt_language, options.stt_options)
    tts = TTS_TABLE[fields.tts_type]
    tts.require_usable(environ)
    _check_voice(tts, fields.tts_voice_id)
    _check(tts, secrets.tts_key, environ, options.tts_options)
    _check_fallbacks(fields, secrets, environ)
    _check_tools(fields, environ)


def _check_fallbacks(fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str]) -> None:
    fallbacks = fields.options.fallback
    for seat in SEATS:
        for number, (name, entry) in enumerate(zip(fallbacks.key_names(seat), fallbacks.of(seat), strict=True)):
            try:
                _check_fallback(entry, secrets.fallback_key(name), fields.stt_language, environ)
            except InvalidField as error:
                field = fallback_field(Seat(seat), number, error.field)
                raise InvalidField(field, error.message) from None


def _check_tools(fields: AiFields, environ: Mapping[str, str]) -> None:
    guard = AddressGuard(allow_private=allows_private(environ))
    options = fields.options
    for number, tool in enumerate(options.tools):
        guard.check_url(f"parameter.tools[{number}].url", tool.url)
        if wrong := meta_problem(tool.parameters):
            raise InvalidField(f"parameter.tools[{number}].parameters", wrong)
    for number, server in enumerate(options.mcp_servers):
        guard.check_url(f"parameter.mcp_servers[{number}].url", server.url)
    if options.mcp_servers and not mcp_installed():
        raise InvalidField("parameter.mcp_servers", "needs the extra mcp: pip install 'aicall-runtime[mcp]'")


def _check_fallback(
    entry: LlmFallback | SttFallback | TtsFallback, key: SecretStr, language: str, environ: Mapping[str, str]
) -> None:
    row = fallback_row(entry)
    match entry:
        case LlmFallback():
            engine = EngineModel.parse(entry.engine_model)
            row.require_usable(environ)
            row.check_model(engine.model, environ, resolve_options(row, entry.options, environ))
            _check(row, key, environ, entry.options)
            if engine.provider == LlmProvider.SCRIPT:
                _check_script(engine.model)
        case SttFallback():
            _check(row, key, environ, entry.options)
            _check_language(row, entry.stt_language or language, entry.options)
        case TtsFallback():
            row.require_usable(environ)
            _check_voice(row, entry.tts_voice_id)
            _check(row, key, environ, entry.options)


def fallback_row(entry: LlmFallback | SttFallback | TtsFallback) -> ProviderRow:
    """Return the vendor that a fallback names."""
    match entry:
        case LlmFallback():
            return LLM_TABLE[EngineModel.parse(entry.engine_model).provider]
        case SttFallback():
            return STT_TABLE[entry.stt_type]
        case TtsFallback():
            return TTS_TABLE[entry.tts_type]


def fallback_field(seat: Seat, number: int, field: str) -> str:
    """Name the field of a fallback as an error of its seat names that of the AI.

    Args:
        seat: The seat.
        number: The place in the list, from 0.
        field: For example ``parameter.stt_options.region``.

    Returns:
        For example ``parameter.fallback.stt[0].options.region``; a variable keeps its name.
    """
    options = OPTION_FIELDS[seat]
    if field == KEY_FIELDS[seat]:
        name = "key"
    elif field == options or field.startswith(f"{options}."):
        name = f"options{field.removeprefix(options)}"
    elif field in ("engine_model", "stt_type", "stt_language", "tts_type", "tts_voice_id"):
        name = field
    else:
        return field
    return f"parameter.fallback.{seat.value}[{number}].{name}"


def _check(row: ProviderRow, key: SecretStr, environ: Mapping[str, str], options: Mapping[str, str]) -> None:
    row.require_usable(environ)
    resolve_credentials(row, key, environ, resolve_options(row, options, environ))


def _check_language(row: ProviderRow, language: str, options: Mapping[str, str]) -> None:
    code = row.language_code(language)
    if code is None:
        raise InvalidField("stt_language", f"{row.label} understands only: {', '.join(row.languages)}")
    check_model(SttType(row.name), options.get("model", ""), code)
    if isinstance(row, LocalRow):
        row.require_language(options.get("model", ""), code)


def _check_voice(row: ProviderRow, voice: str) -> None:
    voice = voice or row.default_voice
    if not voice:
        raise InvalidField("tts_voice_id", f"is required: {row.label} has no default voice")
    if row.voices and voice not in row.voices:
        raise InvalidField("tts_voice_id", f"{row.label} has these voices: {', '.join(row.voices)}")


def _check_script(name: str) -> None:
    # The dialogue engine is only imported for an AI that uses it.
    from adapters.llm.script_file import load_script  # noqa: PLC0415

    try:
        load_script(name)
    except InvalidField as error:
        where = "" if error.field == "engine_model" else f"{error.field}: "
        raise InvalidField("engine_model", f"{where}{error.message}") from None
