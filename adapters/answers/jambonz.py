"""jambonz' verbs: ``listen``, with audio streamed back.

Sources: https://docs.jambonz.org/verbs/verbs/listen,
https://www.jambonz.org/docs/supporting-articles/bidirectional-audio/
"""

from __future__ import annotations

from typing import Any, Final

from adapters.answers.base import Answer, AnswerFormat, Stream, as_json

RATE_HZ: Final = 8000
"""Rate of the audio in both directions, Hz: what a telephone line carries."""


class JambonzAnswer(AnswerFormat):
    """A list of jambonz' verbs."""

    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions."""
        verb: dict[str, Any] = {
            "verb": "listen",
            "url": stream.media_url,
            "mixType": "mono",
            "sampleRate": RATE_HZ,
            "passDtmf": True,
            # Without `streaming`, audio that comes back would have to be whole files.
            "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": RATE_HZ},
            "metadata": dict(stream.variables),
        }
        if stream.user_password:
            user, _, password = stream.user_password.partition(":")
            verb["wsAuth"] = {"username": user, "password": password}
        return as_json([verb, {"verb": "hangup"}])

    def decline(self, text: str) -> Answer:
        """Return the document that says a sentence and hangs up."""
        return as_json([{"verb": "say", "text": text}, {"verb": "hangup"}])


JAMBONZ = JambonzAnswer()
