"""TwiML and what grew out of it: SignalWire's cXML, Cloudonix' CXML, Telnyx' TeXML.

``<Response><Connect><Stream url="…"><Parameter name="…" value="…"/></Stream></Connect></Response>``: the call waits in
``<Connect>`` until the stream ends, and ends where nothing follows. The variables are parameters, since Twilio drops
the query of the URL.

Sources: https://www.twilio.com/docs/voice/twiml/stream,
https://signalwire.com/docs/compatibility-api/cxml/reference/voice/stream,
https://developers.cloudonix.com/Documentation/voiceApplication/Verb/connect/stream,
https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/stream
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from adapters.answers.base import Answer, AnswerFormat, Stream, xml


class TwimlAnswer(AnswerFormat):
    """TwiML, or a dialect of it.

    Args:
        attributes: What the dialect's ``<Stream>`` needs beside its URL.
        bearer_attribute: Attribute that holds the token that the stream is to bear; '' where there is none.
    """

    def __init__(self, attributes: Mapping[str, str] | None = None, bearer_attribute: str = "") -> None:
        self._attributes = dict(attributes or {})
        self._bearer_attribute = bearer_attribute

    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions."""
        root = Element("Response")
        attributes = {"url": stream.media_url, **self._attributes}
        if stream.bearer and self._bearer_attribute:
            attributes[self._bearer_attribute] = stream.bearer
        opened = SubElement(SubElement(root, "Connect"), "Stream", attributes)
        for name, value in stream.variables.items():
            SubElement(opened, "Parameter", {"name": name, "value": value})
        return xml(root)

    def decline(self, text: str) -> Answer:
        """Return the document that says a sentence and hangs up."""
        root = Element("Response")
        SubElement(root, "Say").text = text
        SubElement(root, "Hangup")
        return xml(root)


TWILIO = TwimlAnswer()
CLOUDONIX = TwimlAnswer()
SIGNALWIRE = TwimlAnswer(bearer_attribute="authBearerToken")
# In the mode that Telnyx takes by itself, mp3, the caller would hear nothing.
TELNYX = TwimlAnswer({"bidirectionalMode": "rtp", "codec": "PCMU", "bidirectionalCodec": "PCMU"})
