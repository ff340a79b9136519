"""CXML, the call documents of Cloudonix (https://developers.cloudonix.com; pbx facts A5).

They look like TwiML, with ``<Service>`` for a provider that is reached over SIP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from adapters.assistants.url_template import is_wss_url
from models.errors import InvalidField

MEDIA_TYPE = "application/xml"

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 has no form for, not even escaped (https://www.w3.org/TR/xml/#charsets).
_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dial_service(
    provider: str, phone_number: str, *, headers: Mapping[str, str] | None = None, action: str = ""
) -> str:
    """Return the document that dials a SIP provider.

    Args:
        provider: Key of the provider.
        phone_number: The number at the provider.
        headers: SIP headers to send along.
        action: Where the phone system asks what to do afterwards, an ``http(s)://`` URL; '' for nowhere.

    Raises:
        InvalidField: A value is one that XML cannot hold, or ``action`` is no such URL.
    """
    response = ET.Element("Response")
    dial = ET.SubElement(response, "Dial", _action(action))
    for name, value in (headers or {}).items():
        ET.SubElement(dial, "Header", {"name": _text(name), "value": _text(value)})
    ET.SubElement(dial, "Service", {"provider": _text(provider)}).text = _text(phone_number)
    return _written(response)


def connect_stream(url: str, *, parameters: Mapping[str, str] | None = None, action: str = "") -> str:
    """Return the document that streams a call's audio to a URL.

    Args:
        url: A ``wss://`` URL.
        parameters: What the stream's start shall carry.
        action: As for `dial_service`.

    Raises:
        InvalidField: ``url`` is not a ``wss://`` URL, or a value is one that XML cannot hold.
    """
    if not is_wss_url(url):
        raise InvalidField("url", "WebSocket URL must start with wss://")
    response = ET.Element("Response")
    connect = ET.SubElement(response, "Connect", _action(action))
    stream = ET.SubElement(connect, "Stream", {"url": url})
    for name, value in (parameters or {}).items():
        ET.SubElement(stream, "Parameter", {"name": _text(name), "value": _text(value)})
    return _written(response)


def say_and_hang_up(message: str) -> str:
    """Return the document that says one sentence and "Goodbye.", and ends the call."""
    response = ET.Element("Response")
    ET.SubElement(response, "Say").text = f"{_text(message).rstrip('.')}. Goodbye."
    ET.SubElement(response, "Hangup")
    return _written(response)


def check_action(action: str) -> None:
    """Do nothing while this is '' or a URL that a phone system can ask.

    Raises:
        InvalidField: It is neither.
    """
    if not action:
        return
    try:
        parts = urlsplit(action)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and re.fullmatch(r"[\x21-\x7e]+", action)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidField("action", "must be an http or https URL")


def _action(action: str) -> dict[str, str]:
    check_action(action)
    return {"action": action} if action else {}


def _text(value: str) -> str:
    if _NO_CHARACTER.search(value):
        raise InvalidField("cxml", "holds a character that XML has no form for")
    return value


def _written(response: ET.Element) -> str:
    return _DECLARATION + ET.tostring(response, encoding="unicode")
