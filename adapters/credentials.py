"""Where a vendor's key, endpoint and options come from: the AI, else the environment, else the table."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters.local_models import LocalRow
from adapters.requests import Credentials
from adapters.seats import KEY_FIELDS, OPTION_FIELDS, KeyKind, ProviderOption, ProviderRow
from models.errors import InvalidField

ALLOW_PRIVATE_ENDPOINTS = "AICALL_ALLOW_PRIVATE_ENDPOINTS"
"""Variable by which the operator lets AIs name endpoints in the server's own network, with ``true``."""

MODEL = ProviderOption(name="model", summary="The vendor's name of the model", pattern=r"[\w.:/@-]{0,200}")
"""The option by which a recogniser's or a voice's model is chosen; the row's default where nobody does."""

BASE_URL = ProviderOption(name="base_url", summary="Endpoint of a server of one's own, with its own key")
"""The option of rows with ``own_endpoint``."""

_GOOGLE_FIELDS = ("client_email", "private_key", "project_id")
_GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


def resolve_credentials(
    row: ProviderRow, given: SecretStr, environ: Mapping[str, str], options: Mapping[str, str] | None = None
) -> Credentials:
    """Return the key and the endpoint to use.

    Args:
        row: The vendor.
        given: The AI's key, empty when it has none.
        environ: Environment variables.
        options: What `resolve_options` returned; None for what it returns for an AI without options.

    Raises:
        InvalidField: As `resolve_key`, `resolve_base_url` and `resolve_options`; the key does not have the vendor's
            form; an AI names an endpoint but no key for it.
    """
    options = resolve_options(row, {}, environ) if options is None else options
    if isinstance(row, LocalRow):
        return Credentials(SecretStr(""), str(row.find(options.get("model", ""), environ)))
    own = options.get("base_url", "")
    if own and not given.get_secret_value():
        if row.key_variable and not (row.key_optional or row.own_endpoint_keyless):
            # The operator's key is for the vendor and not for whoever an AI names.
            raise InvalidField(KEY_FIELDS[row.seat], f"is required with {OPTION_FIELDS[row.seat]}.base_url")
        return Credentials(SecretStr(""), own)
    key = resolve_key(row, given, environ)
    base_url = own or resolve_base_url(row, environ, options)
    match row.key_kind:
        case KeyKind.PLAIN:
            return Credentials(key, base_url)
        case KeyKind.PAIR:
            return _pair(row, key, base_url)
        case KeyKind.AWS:
            return _aws(row, key if given.get_secret_value() else None, base_url, environ)
        case KeyKind.GOOGLE:
            return Credentials(_google(row, key, from_file=not given.get_secret_value()), base_url)


def resolve_key(row: ProviderRow, given: SecretStr, environ: Mapping[str, str]) -> SecretStr:
    """Return the key to use: the AI's own, else the one of the vendor's usual variable.

    Args:
        row: The vendor.
        given: The AI's key, empty when it has none.
        environ: Environment variables.

    Returns:
        The key; empty when the vendor needs none.

    Raises:
        InvalidField: There is no key. Names ``engine_key``, ``parameter.stt_key`` or ``parameter.tts_key``.
    """
    if not row.key_variable:
        return SecretStr("")
    key = given if given.get_secret_value() else SecretStr(environ.get(row.key_variable, ""))
    if not key.get_secret_value() and not row.key_optional:
        message = f"is required: {row.label} needs a key and {row.key_variable} is not set"
        raise InvalidField(KEY_FIELDS[row.seat], message)
    return key


def resolve_options(row: ProviderRow, given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return every option of a row, by name: the AI's, else the environment's, else the default.

    Args:
        row: The vendor.
        given: ``parameter.llm_options``, ``stt_options`` or ``tts_options``.
        environ: Environment variables.

    Raises:
        InvalidField: One is unknown, missing or malformed; names it, for example ``parameter.tts_options.region``.
    """
    field = OPTION_FIELDS[row.seat]
    known = {option.name: option for option in row.options}
    if row.own_endpoint:
        known[BASE_URL.name] = BASE_URL
    for name in given:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise InvalidField(f"{field}.{name}", f"{row.label} has no such option; it has: {names}")
    resolved = {}
    for name, option in known.items():
        value = given.get(name) or (environ.get(option.variable, "") if option.variable else "") or option.default
        if not re.fullmatch(option.pattern, value):
            raise InvalidField(f"{field}.{name}", "is malformed")
        # An endpoint of the operator's stands for everything that its name would be made of.
        if option.required and not value and not (given.get("base_url") or environ.get(row.base_url_variable)):
            hint = f", or set {option.variable}" if option.variable else ""
            raise InvalidField(f"{field}.{name}", f"is required: {row.label} needs it{hint}")
        resolved[name] = value
    if resolved.get("base_url"):
        resolved["base_url"] = _own_endpoint(f"{field}.base_url", resolved["base_url"], environ)
    return resolved


def resolve_base_url(row: ProviderRow, environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> str:
    """Return the vendor's endpoint, without a slash at the end.

    ``http`` and ``ws`` stand for each other, so that one variable serves a vendor that has both.

    Args:
        row: The vendor.
        environ: Environment variables.
        options: Values of the row's options, for endpoints that hold some.

    Raises:
        InvalidField: The variable holds no URL; names the variable.
    """
    url = environ.get(row.base_url_variable, "")
    if not url:
        return row.base_url.format_map(options) if options and "{" in row.base_url else row.base_url
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https", "ws", "wss") or not _host(url):
        raise InvalidField(row.base_url_variable, "must be a URL such as https://host or wss://host")
    secure = "s" if scheme in ("https", "wss") else ""
    kind = "ws" if row.base_url.startswith("ws") else "http"
    return f"{kind}{secure}://{rest.rstrip('/')}"


def _own_endpoint(field: str, url: str, environ: Mapping[str, str]) -> str:
    """Check an endpoint that an AI names: whoever may write AIs must not reach the server's own network with it."""
    host = _host(url)
    if not url.startswith(("https://", "http://")) or not host or "@" in url:
        raise InvalidField(field, "must be a URL such as https://host/v1")
    if environ.get(ALLOW_PRIVATE_ENDPOINTS, "").lower() != "true":
        if not url.startswith("https://"):
            raise InvalidField(field, "must be https://")
        if _is_private(host):
            raise InvalidField(field, f"is in a private network; the operator can allow it: {ALLOW_PRIVATE_ENDPOINTS}")
    return url.rstrip("/")


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name without a dot, or of a private zone (RFC 6762, RFC 8375), is no public host.
        name = host.rstrip(".").lower()
        # What looks like a number is an address in a form that ipaddress does not read and a resolver does.
        return "." not in name or name.endswith((".local", ".localhost", ".internal", ".arpa")) or name[-1].isdigit()
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return ""
    return parts.hostname or ""


def _pair(row: ProviderRow, key: SecretStr, base_url: str) -> Credentials:
    identity, colon, secret = key.get_secret_value().partition(":")
    if not (identity and colon and secret):
        raise InvalidField(KEY_FIELDS[row.seat], "must have the form USER_ID:KEY")
    return Credentials(SecretStr(secret), base_url, identity)


def _aws(row: ProviderRow, given: SecretStr | None, base_url: str, environ: Mapping[str, str]) -> Credentials:
    if given is None:
        identity = environ.get("AWS_ACCESS_KEY_ID", "")
        secret, token = environ.get(row.key_variable, ""), environ.get("AWS_SESSION_TOKEN", "")
        if not identity:
            raise InvalidField(KEY_FIELDS[row.seat], "is required: AWS_ACCESS_KEY_ID is not set")
    else:
        identity, secret, token = _aws_parts(row, given.get_secret_value())
    return Credentials(SecretStr(secret), base_url, identity, SecretStr(token))


def _aws_parts(row: ProviderRow, text: str) -> tuple[str, str, str]:
    if text.lstrip().startswith("{"):
        fields = _json(row, text)
        parts = [fields.get(name, "") for name in ("access_key_id", "secret_access_key", "session_token")]
    else:
        parts = [*text.split(":", 2), ""][:3]
    if len(parts) < 3 or not all(isinstance(part, str) for part in parts) or not (parts[0] and parts[1]):
        raise InvalidField(
            KEY_FIELDS[row.seat],
            "must have the form ID:SECRET, or be JSON with access_key_id and secret_access_key",
        )
    return parts[0], parts[1], parts[2]


def _google(row: ProviderRow, key: SecretStr, *, from_file: bool) -> SecretStr:
    """Check the JSON of a service account's key.

    Its token endpoint must be Google's: the signed assertion goes there. Other kinds of credentials name files and
    programs of the server, so none is taken from an AI.
    """
    text = key.get_secret_value()
    field = KEY_FIELDS[row.seat]
    if from_file:
        field = row.key_variable
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InvalidField(field, "names no file that can be read") from None
    fields = _json(row, text, field)
    if fields.get("type") != "service_account":
        raise InvalidField(field, "must be the JSON key of a service account")
    for name in _GOOGLE_FIELDS:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise InvalidField(field, f"is a service account's key without {name}")
    if fields.get("token_uri", _GOOGLE_TOKEN_URI) != _GOOGLE_TOKEN_URI:
        raise InvalidField(field, f"is a service account's key with a token_uri other than {_GOOGLE_TOKEN_URI}")
    return SecretStr(text)


def _json(row: ProviderRow, text: str, field: str = "") -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise InvalidField(field or KEY_FIELDS[row.seat], "is not a JSON object")
    return fields
