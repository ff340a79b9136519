"""Plivo XML against the documents that Plivo's own package makes."""

from __future__ import annotations

from xml.etree import ElementTree

from plivo import plivoxml  # type: ignore[import-untyped]

from adapters.answers.base import Stream
from adapters.answers.plivo import PLIVO

URL = "wss://calls.example.com/ws/7/t/plivo"


def test_the_stream() -> None:
    response = plivoxml.ResponseElement()
    response.add(
        plivoxml.StreamElement(
            f"{URL}?session=1&from=%2B15550001",
            bidirectional=True,
            keepCallAlive=True,
            contentType="audio/x-mulaw;rate=8000",
        )
    )
    document = PLIVO.connect(Stream(URL, {"session": "1", "from": "+15550001"}))
    assert ElementTree.canonicalize(document.body) == ElementTree.canonicalize(response.to_string(pretty=False))


def test_declining() -> None:
    response = plivoxml.ResponseElement()
    response.add(plivoxml.SpeakElement("No & <no>."))
    response.add(plivoxml.HangupElement())
    document = PLIVO.decline("No & <no>.")
    assert ElementTree.canonicalize(document.body) == ElementTree.canonicalize(response.to_string(pretty=False))
