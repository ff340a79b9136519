"""Refusing an AI when it is saved rather than when it is called: everything about its vendors that is known here."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from adapters.credentials import resolve_credentials, resolve_options
from adapters.llm.table import LLM_TABLE
from adapters.seats import ProviderRow
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField
from models.providers import LlmProvider


def validate_ai(fields: AiFields, secrets: AiSecrets, environ: Mapping[str, str]) -> None:
    """Check that calls of this AI can run here. Reads files at most; asks no vendor.

    Args:
        fields: The AI.
        secrets: Its keys.
        environ: Environment variables.

    Raises:
        InvalidField: A provider or a model is retired, a provider not available in this version, or its extra missing;
            a key or an option is missing or wrong; the script does not exist; the voice is missing or unknown; the
            recogniser does not know the language. Names the field.
    """
    options = fields.options
    llm = LLM_TABLE[fields.engine.provider]
    _check(llm, secrets.engine_key, environ, options.llm_options)
    llm.check_model(fields.engine.model, environ)
    if fields.engine.provider == LlmProvider.SCRIPT:
        _check_script(fields.engine.model)
    stt = STT_TABLE[fields.stt_type]
    _check(stt, secrets.stt_key, environ, options.stt_options)
    _check_language(stt, fields.stt_language)
    tts = TTS_TABLE[fields.tts_type]
    _check(tts, secrets.tts_key, environ, options.tts_options)
    _check_voice(tts, fields.tts_voice_id)


def _check(row: ProviderRow, key: SecretStr, environ: Mapping[str, str], options: Mapping[str, str]) -> None:
    row.require_usable(environ)
    resolve_credentials(row, key, environ, resolve_options(row, options, environ))


def _check_language(row: ProviderRow, language: str) -> None:
    if row.language_code(language) is None:
        raise InvalidField("stt_language", f"{row.label} understands only: {', '.join(row.languages)}")


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
