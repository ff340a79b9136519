"""TwiML against the documents that Twilio's own package makes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from twilio.twiml.voice_response import Connect, VoiceResponse  # type: ignore[import-untyped]

from adapters.answers.base import Stream
from adapters.answers.twiml import CLOUDONIX, SIGNALWIRE, TELNYX, TWILIO, TwimlAnswer

URL = "wss://calls.example.com/ws/7/t/twilio?a=1&b='2'"
SAID = {"session": "CA1", "from": "+1<\"&'é", "to": "sip:a@b"}


def twilios(said: dict[str, str]) -> str:
    connect = Connect()
    stream = connect.stream(url=URL)
    for name, value in said.items():
        stream.parameter(name=name, value=value)
    response = VoiceResponse()
    response.append(connect)
    return str(response)


@pytest.mark.parametrize("said", [{}, SAID])
def test_the_stream(said: dict[str, str]) -> None:
    for document in (TWILIO, CLOUDONIX, SIGNALWIRE):
        assert canonical(document.connect(Stream(URL, said)).body) == canonical(twilios(said))


@pytest.mark.parametrize("document", [TWILIO, CLOUDONIX, SIGNALWIRE, TELNYX])
def test_declining(document: TwimlAnswer) -> None:
    response = VoiceResponse()
    response.say("No & <no>.")
    response.hangup()
    assert canonical(document.decline("No & <no>.").body) == canonical(str(response))


def test_signalwires_stream_bears_a_token() -> None:
    stream = Stream(URL, bearer='a"b')
    root = ElementTree.fromstring(SIGNALWIRE.connect(stream).body)
    assert root[0][0].attrib == {"url": URL, "authBearerToken": 'a"b'}
    assert ElementTree.fromstring(TWILIO.connect(stream).body)[0][0].attrib == {"url": URL}


def test_telnyx_is_told_that_audio_comes_back() -> None:
    root = ElementTree.fromstring(TELNYX.connect(Stream(URL, SAID)).body)
    stream = root[0][0]
    assert (root.tag, root[0].tag, stream.tag) == ("Response", "Connect", "Stream")
    codecs = {"codec": "PCMU", "bidirectionalCodec": "PCMU"}
    assert stream.attrib == {"url": URL, "bidirectionalMode": "rtp", **codecs}
    assert {it.attrib["name"]: it.attrib["value"] for it in stream} == SAID


def canonical(document: str) -> str:
    assert document.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    return ElementTree.canonicalize(document)
