"""Plivo XML, which Vobiz reads too: the URL is the text of ``<Stream>``.

``keepCallAlive`` has the call wait for the end of the stream; nothing follows, so that it ends then.

Sources: https://www.plivo.com/docs/voice/xml/stream, https://docs.vobiz.ai/xml/stream
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from adapters.answers.base import Answer, AnswerFormat, Stream, xml


class PlivoAnswer(AnswerFormat):
    """Plivo XML."""

    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions."""
        root = Element("Response")
        attributes = {"bidirectional": "true", "keepCallAlive": "true", "contentType": "audio/x-mulaw;rate=8000"}
        # `extraHeaders` takes letters and digits only, and a number begins with a plus sign.
        SubElement(root, "Stream", attributes).text = stream.url_with_variables
        return xml(root)

    def decline(self, text: str) -> Answer:
        """Return the document that says a sentence and hangs up."""
        root = Element("Response")
        SubElement(root, "Speak").text = text
        SubElement(root, "Hangup")
        return xml(root)


PLIVO = PlivoAnswer()
