from __future__ import annotations

import pytest

from adapters.media.clients.base import CallLeg, Clear, Mark, PlayAudio
from adapters.media.plain import PlainProtocol
from models.errors import MediaProtocolError
from runtime.demo.phone import ListeningPhone


def test_the_bots_audio_is_noticed_and_nothing_else_is() -> None:
    heard: list[str] = []
    phone = ListeningPhone(CallLeg("S", "C"), lambda: heard.append("audio"))
    bot = PlainProtocol()
    for message in phone.opening():
        bot.receive(message)
    (audio,) = bot.send_audio(bytes(320))
    assert phone.receive(audio) == [PlayAudio(bytes(320))]
    assert heard == ["audio"]
    (mark,), (clear,) = bot.send_mark("m"), bot.send_clear()
    assert phone.receive(mark) == [Mark("m")]
    assert phone.receive(clear) == [Clear()]
    with pytest.raises(MediaProtocolError):
        phone.receive(b"\0")
    assert heard == ["audio"]
