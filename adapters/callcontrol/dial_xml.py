"""The XML with which phone systems of Twilio's kind are told to dial: TwiML, cXML, CXML and Plivo XML.

https://www.twilio.com/docs/voice/twiml/dial, https://www.plivo.com/docs/voice/xml/dial
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from adapters.callcontrol.transfer import Transfer

MEDIA_TYPE = "application/xml"


def dial(transfer: Transfer, nouns: Mapping[str, str]) -> str:
    """Return the document that connects a call to all destinations at once; the first to answer has it.

    Args:
        transfer: Whom to connect to.
        nouns: Name of the element for each kind of destination.
    """
    response = ET.Element("Response")
    verb = ET.SubElement(response, "Dial", {"callerId": transfer.caller_id} if transfer.caller_id else {})
    for destination in transfer.destinations:
        ET.SubElement(verb, nouns[destination.kind]).text = destination.target
    return ET.tostring(response, encoding="unicode")


def conference(room: str, *, announcement: str = "", language: str = "") -> str:
    """Return the document that puts a call into a conference, which ends when one of its two parties leaves.

    Args:
        room: Name of the conference.
        announcement: Said to the call before; '' for nothing.
        language: BCP 47 tag of the announcement; '' for the phone system's usual.
    """
    response = ET.Element("Response")
    if announcement:
        ET.SubElement(response, "Say", {"language": language} if language else {}).text = announcement
    verb = ET.SubElement(response, "Dial")
    attributes = {"beep": "false", "startConferenceOnEnter": "true", "endConferenceOnExit": "true"}
    ET.SubElement(verb, "Conference", attributes).text = room
    return ET.tostring(response, encoding="unicode")
