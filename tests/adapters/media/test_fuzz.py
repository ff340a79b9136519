"""Whole sessions of every protocol, torn, doubled, shuffled and bent: one error, no other, and nothing piles up."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.base import Message, Reply, Started, Stopped
from models.errors import MediaProtocolError
from tests.adapters.media.pairs import SETTINGS, Pair, Setting

pytestmark = pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.wire.id)

MOST_KEPT_BYTES = 1 << 17
"""What a stream may keep of whatever comes, bytes: some seconds of audio."""
FLOOD = 500

VALUES: list[Any] = [None, True, -1, 0, 1 << 70, 1e308, "", "x", "\ud800", "\x00", "9" * 400, [], {}, [[]] * 50]


def session(setting: Setting) -> tuple[Pair, list[Message]]:
    """A call as the phone system sends it, recorded while the runtime answered."""
    pair = setting.pair()
    recorded = list(pair.client.opening())
    pair.deliver(recorded)
    frame = b"\x00\x10" * (setting.frame_bytes // 2)
    pair.answer(pair.server.send_audio(frame))
    pair.answer(pair.server.send_mark("m"))
    digits = [pair.client.send_dtmf(digit) for digit in setting.wire.digits[:2]]
    marks = [pair.client.send_mark_reached("m")]
    for part in [*(pair.client.send_audio(frame) for _ in range(4)), *digits, *marks, pair.client.send_stop("bye")]:
        recorded += part
    return setting.pair(), recorded


def bent(draw: st.DrawFn, message: Message) -> Message:
    """A copy with something wrong in it."""
    if isinstance(message, str) and draw(st.booleans()):
        try:
            document = json.loads(message)
        except ValueError:
            document = None
        if isinstance(document, dict) and document:
            holder = document
            while (inner := holder.get(draw(st.sampled_from(sorted(holder))))) and isinstance(inner, dict):
                holder = inner
            holder[draw(st.sampled_from(sorted(holder)))] = draw(st.sampled_from(VALUES))
            return json.dumps(document)
    at, length = draw(st.integers(0, len(message))), draw(st.integers(0, 8))
    if isinstance(message, str):
        return message[:at] + draw(st.text(max_size=4)) + message[at + length :]
    return message[:at] + draw(st.binary(max_size=4)) + message[at + length :]


@given(data=st.data())
def test_torn_sessions_end_in_nothing_but_the_one_error(setting: Setting, data: st.DataObject) -> None:
    pair, recorded = session(setting)
    over = started = False
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(recorded) - 1))
        message = recorded[at]
        if data.draw(st.booleans()):
            message = bent(data.draw, message)
        try:
            events = pair.server.receive(message)
        except MediaProtocolError as error:
            over |= error.fatal
            continue
        assert not over or all(isinstance(event, Reply) for event in events)
        for event in events:
            assert started or isinstance(event, Started | Reply)
            started |= isinstance(event, Started)
            over |= isinstance(event, Stopped)
    if over:
        assert pair.server.send_audio(bytes(setting.frame_bytes)) == []


@pytest.mark.parametrize("kind", ["marks", "digits", "audio", "garbage", "marks out"])
def test_a_flood_does_not_pile_up(setting: Setting, kind: str) -> None:
    pair = setting.open_pair()
    frame = b"\x00\x10" * (setting.frame_bytes // 2)
    digit = setting.wire.digits[:1]

    def made(number: int) -> list[Message]:
        match kind:
            case "marks":
                return pair.client.send_mark_reached("m")
            case "digits" if digit:
                return pair.client.send_dtmf(digit)
            case "audio":
                return pair.client.send_audio(frame)
            case "marks out":
                pair.server.send_mark(f"mark {number}")
        return ['{"event":"nonsense"}', b"\x00", "x" * 100] if kind == "garbage" else []

    def flood() -> None:
        fatal = 0
        for number in range(FLOOD):
            for message in made(number):
                try:
                    pair.server.receive(message)
                except MediaProtocolError as error:
                    fatal += error.fatal
        assert not fatal

    flood()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        flood()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < MOST_KEPT_BYTES
    assert pair.usable()
