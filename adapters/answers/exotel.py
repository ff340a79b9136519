"""Exotel's Voicebot applet: asked for by an https URL, it is told the URL of the WebSocket.

``{"url": "wss://USER:PASSWORD@HOST/…"}``, where the user information becomes Basic authentication. There is no document
that declines: the call's flow goes on with its next applet.

Source: https://support.exotel.com/support/solutions/articles/3000108630-working-with-the-stream-and-voicebot-applet
"""

from __future__ import annotations

from urllib.parse import quote

from adapters.answers.base import Answer, AnswerFormat, Stream, as_json


class ExotelAnswer(AnswerFormat):
    """A document with a URL."""

    def connect(self, stream: Stream) -> Answer:
        """Return the document that opens a stream in both directions."""
        url = stream.url_with_variables
        if stream.user_password:
            user, _, password = stream.user_password.partition(":")
            scheme, _, rest = url.partition("://")
            url = f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
        return as_json({"url": url})

    def decline(self, text: str) -> None:
        """Return None: there is no such document."""
        del text


EXOTEL = ExotelAnswer()
