"""URLs of WebSocket providers, made of a template, an assistant's configuration and a call (pbx facts A4).

A template is ``wss://…`` with placeholders in braces. Values are percent-encoded (RFC 3986, section 2.1: everything but
letters, digits and ``-._~``), each placeholder is looked at once, and nothing that a value holds can change the URL's
structure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from models.errors import InvalidField

CONFIG_PLACEHOLDERS = (
    "bot_id",
    "auth_token",
    "api_key",
    "assistant_id",
    "agent_id",
    "app_id",
    "workspace_id",
    "project_id",
)
"""What may come from an assistant's configuration."""

CALL_PLACEHOLDERS = ("session", "from", "to")
"""What comes from the call: its id, who calls, and who is called."""

_ALLOWED = frozenset(CONFIG_PLACEHOLDERS + CALL_PLACEHOLDERS)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_FIELD = "url_template"
_SCHEME = "wss://"
# A segment of one or two dots is taken out of a path by whoever resolves it (RFC 3986, section 5.2.4), encoded or not.
_DOTS = re.compile(r"(?<=/)(?:\.|%2e){1,2}(?=[/?#]|$)", re.IGNORECASE)


def placeholders(template: str) -> list[str]:
    """Return the names of the placeholders in a template, once each, in their order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(template)))


def check_template(template: str) -> None:
    """Do nothing while a template is one.

    Raises:
        InvalidField: It is not ``wss://``, or holds a placeholder that is not on the list.
    """
    if not template.startswith(_SCHEME):
        raise InvalidField(_FIELD, "WebSocket URL template must start with wss://")
    for name in placeholders(template):
        if name not in _ALLOWED:
            raise InvalidField(_FIELD, f"Disallowed placeholder: {{{name}}}")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise InvalidField(_FIELD, "Template contains a brace that belongs to no placeholder")


def build_url(template: str, configuration: Mapping[str, str | int], call: Mapping[str, str | int]) -> str:
    """Make the URL of one call.

    Args:
        template: The provider's.
        configuration: The assistant's, secrets included.
        call: ``session``, ``from`` and ``to``; an empty one stays empty.

    Raises:
        InvalidField: The template is none, a value is missing, or what comes out is no URL. The message names no value.
    """
    check_template(template)

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        values = call if name in CALL_PLACEHOLDERS else configuration
        if name not in values:
            raise InvalidField(_FIELD, f"Template contains unsubstituted placeholder: {{{name}}}")
        return quote(str(values[name]), safe="", errors="replace")

    url = _PLACEHOLDER.sub(value, template)
    if not is_wss_url(url) or _DOTS.search(urlsplit(url).path):
        raise InvalidField(_FIELD, "Template makes no valid URL")
    return url


def is_wss_url(url: str) -> bool:
    """Say whether this is a ``wss://`` URL with a host, and nothing in it that has to be encoded."""
    if not url.startswith(_SCHEME) or not re.fullmatch(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+", url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
