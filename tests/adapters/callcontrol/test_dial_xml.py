from __future__ import annotations

from xml.etree import ElementTree as ET

from adapters.callcontrol import dial_xml
from adapters.callcontrol.transfer import transfer_of

NOUNS = {"tel": "Number", "sip": "Sip"}


def test_dialling() -> None:
    arguments = {
        "destinations": [{"type": "tel", "target": "+15551230001"}, {"type": "sip", "target": "sip:a@b?x=1&y=2"}],
        "source": {"type": "tel", "target": "+15557770000"},
    }
    text = dial_xml.dial(transfer_of(arguments), NOUNS)
    assert text == (
        '<Response><Dial callerId="+15557770000"><Number>+15551230001</Number>'
        "<Sip>sip:a@b?x=1&amp;y=2</Sip></Dial></Response>"
    )


def test_without_a_number_to_show() -> None:
    text = dial_xml.dial(transfer_of({"destinations": [{"type": "tel", "target": "112"}]}), NOUNS)
    assert text == "<Response><Dial><Number>112</Number></Dial></Response>"


def test_a_conference() -> None:
    verb = ET.fromstring(dial_xml.conference("room"))[0]
    assert (verb.tag, verb[0].tag, verb[0].text) == ("Dial", "Conference", "room")
    # Whoever hangs up, nobody is left alone.
    assert verb[0].get("endConferenceOnExit") == "true"


def test_an_announcement_is_text_and_nothing_else() -> None:
    said = '</Say><Dial>1900</Dial> "&'
    response = ET.fromstring(dial_xml.conference("room", announcement=said, language="de-DE"))
    assert [verb.tag for verb in response] == ["Say", "Dial"]
    assert (response[0].text, response[0].get("language")) == (said, "de-DE")
