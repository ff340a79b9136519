from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from adapters.media.clients.base import CallLeg
from adapters.media.clients.plain import PlainClient
from adapters.media.clients.plivo import PlivoClient
from adapters.media.plain import PlainProtocol
from adapters.media.plivo import PlivoProtocol
from runtime.replay.caller import Caller
from runtime.replay.record import CallRecord, Failure, FailureKind
from runtime.replay.script import AwaitHangup, AwaitReply, Dial, Pause, Say, Step
from tests.runtime.replay.bots import tone, utterance

SILENT = bytes(320)


class Phone:
    """A caller on the plain protocol at 8000 Hz, ticked by hand."""

    def __init__(self, *steps: Step, **options: object) -> None:
        client = PlainClient(CallLeg(stream_id="S", call_id="C"))
        self.caller = Caller(client, steps, keep_audio=True, noise=SILENT, **options)  # type: ignore[arg-type]
        self.bot = PlainProtocol()
        self.now_ms = 0.0
        for message in self.caller.opening():
            self.bot.receive(message)

    @property
    def record(self) -> CallRecord:
        return self.caller.record

    def tick(self, count: int = 1) -> list[str]:
        """Go on frame by frame; returns the text messages that were sent."""
        texts = []
        for _ in range(count):
            self.now_ms += 20
            texts += [message for message in self.caller.tick(self.now_ms) if isinstance(message, str)]
        return texts

    def hear(self, messages: Sequence[str | bytes], after_ms: float = 0.0) -> list[str | bytes]:
        return [reply for it in messages for reply in self.caller.receive(it, self.now_ms + after_ms)]

    def end(self) -> CallRecord:
        self.caller.end(self.now_ms)
        return self.record


def events(texts: Sequence[str | bytes]) -> list[tuple[str, str]]:
    documents = [json.loads(text) for text in texts]
    return [(document["event"], document.get("name") or document.get("digit") or "") for document in documents]


def test_audio_is_heard_from_the_moment_it_came() -> None:
    phone = Phone(Pause(1.0))
    phone.tick(5)
    phone.hear(phone.bot.send_audio(tone(60).tobytes()), after_ms=7)
    phone.tick(10)
    record = phone.end()
    assert record.first_audio_ms == 107
    assert [(span.start_ms, span.end_ms) for span in record.bot_speech] == [(107, 167)]
    assert record.tracks
    assert record.tracks.stereo().shape == (15 * 160, 2)
    assert record.tracks.stereo()[107 * 8 : 167 * 8, 1].tolist() == tone(60).tolist()


def test_a_mark_comes_back_when_it_was_played() -> None:
    phone = Phone(Pause(1.0))
    phone.hear([*phone.bot.send_audio(tone(60).tobytes()), *phone.bot.send_mark("end")])
    assert phone.tick(2) == []
    assert events(phone.tick(1)) == [("mark", "end")]


def test_a_clear_silences_at_once_and_echoes_pending_marks() -> None:
    phone = Phone(Pause(2.0))
    phone.hear([*phone.bot.send_audio(tone(900).tobytes()), *phone.bot.send_mark("end")])
    phone.tick(5)
    echoes = phone.hear(phone.bot.send_clear(), after_ms=13)
    assert events(echoes) == [("mark", "end")]
    phone.tick(10)
    record = phone.end()
    assert record.clears_ms == [113]
    assert [(span.start_ms, span.end_ms) for span in record.bot_speech] == [(0, 113)]
    assert record.gaps == []


def test_a_clear_is_confirmed_and_echoes_nothing_where_only_what_was_played_comes_back() -> None:
    caller, bot = Caller(PlivoClient(CallLeg(stream_id="S", call_id="C")), (Pause(2.0),), noise=SILENT), PlivoProtocol()
    for message in caller.opening():
        bot.receive(message)
    sent = [*bot.send_audio(tone(900).tobytes()), *bot.send_mark("end")]
    assert [reply for message in sent for reply in caller.receive(message, 0.0)] == []
    [clear] = bot.send_clear()
    assert events(caller.receive(clear, 100.0)) == [("clearedAudio", "")]


def test_late_audio_leaves_a_gap() -> None:
    phone = Phone(Pause(1.0))
    phone.hear(phone.bot.send_audio(tone(20).tobytes()))
    phone.tick(3)
    phone.hear(phone.bot.send_audio(tone(20).tobytes()))
    phone.tick(5)
    record = phone.end()
    assert [(gap.at_ms, gap.duration_ms) for gap in record.gaps] == [(20, 40)]
    assert record.audio_messages == 2


@pytest.mark.parametrize("step", [Say(utterance(100)), Dial("1")])
def test_an_answer_is_not_the_late_rest_of_what_the_bot_said_before(step: Step) -> None:
    phone = Phone(Pause(0.1), step, Pause(1.0))
    phone.hear(phone.bot.send_audio(tone(60).tobytes()))
    phone.tick(15)
    phone.hear(phone.bot.send_audio(tone(60).tobytes()))
    phone.tick(5)
    assert phone.end().gaps == []


def test_keys_go_out_with_their_frame() -> None:
    phone = Phone(Dial("5#", gap_s=0.04))
    assert [events(phone.tick()) for _ in range(4)] == [[("dtmf", "5")], [], [("dtmf", "#")], []]


def test_the_end_of_the_script_is_a_hang_up() -> None:
    phone = Phone(Pause(0.06))
    phone.tick(3)
    assert not phone.caller.done
    phone.tick()
    assert phone.caller.done
    assert events(phone.caller.stop()) == [("stop", "")]  # type: ignore[arg-type]
    assert phone.end().failure is None


def test_a_hang_up_of_the_bot_ends_the_call() -> None:
    phone = Phone(AwaitHangup())
    phone.tick(2)
    phone.hear(phone.bot.send_hangup())
    assert phone.caller.done
    assert phone.caller.stop() == []
    record = phone.end()
    assert record.ended_by_far_end
    assert record.failure is None


def test_audio_that_is_not_played_at_the_end_is_counted() -> None:
    phone = Phone(AwaitHangup())
    phone.hear(phone.bot.send_audio(tone(300).tobytes()))
    phone.tick(5)
    phone.caller.far_end_closed(1000, "")
    assert phone.end().unplayed_ms == pytest.approx(200)


def test_a_close_that_came_too_early_tells_how() -> None:
    phone = Phone(AwaitReply(), Say(utterance()))
    phone.tick(2)
    phone.caller.far_end_closed(None, "")
    record = phone.end()
    assert record.failure == Failure(FailureKind.CLOSED_EARLY, "before the caller's first turn, connection lost")


@pytest.mark.parametrize("message", ["{", '{"event":"tune"}', b"\0"])
def test_what_the_protocol_does_not_allow_fails_the_call(message: str | bytes) -> None:
    phone = Phone(Pause(1.0))
    phone.hear([message])
    assert phone.caller.done
    assert phone.end().failure


def test_the_first_failure_counts() -> None:
    phone = Phone(Pause(1.0))
    first = Failure(FailureKind.STALLED)
    phone.caller.fail(first)
    phone.caller.fail(Failure(FailureKind.PROTOCOL))
    assert phone.end().failure == first


def test_digits_of_the_bot_are_noted() -> None:
    phone = Phone(Pause(1.0))
    phone.hear([*phone.bot.send_dtmf("12"), *phone.bot.send_dtmf("#")])
    assert phone.end().bot_digits == "12#"


def test_a_late_harness_is_noted_and_loses_nothing() -> None:
    phone = Phone(Say(utterance(100)))
    sent = [phone.caller.tick(now_ms)[0] for now_ms in (20, 75, 75, 80, 100)]
    assert phone.record.lag_ms == [0, 35, 15, 0, 0]
    assert b"".join(sent) == utterance(100).pcm  # type: ignore[arg-type]
    phone.now_ms = 100
    tracks = phone.end().tracks
    assert tracks
    assert len(tracks.caller) == len(tracks.bot)
    assert np.frombuffer(bytes(tracks.caller), "<i2").tolist() == tone(100).tolist()


def test_each_turn_is_told_once() -> None:
    told: list[int] = []
    phone = Phone(Say(utterance(40)), Pause(0.1), Dial("1"), on_progress=lambda record: told.append(len(record.turns)))
    phone.tick(30)
    assert told == [1, 2]


def test_how_far_ahead_the_bot_sends_is_noted() -> None:
    phone = Phone(Pause(1.0))
    phone.hear([*phone.bot.send_audio(tone(60).tobytes()), *phone.bot.send_audio(tone(20).tobytes())])
    phone.tick(1)
    phone.hear(phone.bot.send_audio(tone(20).tobytes()), after_ms=5)
    phone.tick(10)
    phone.hear(phone.bot.send_audio(tone(20).tobytes()))
    assert phone.end().lead_ms == [0, 60, 55, 0]


def test_the_bots_speech_is_kept_where_it_was_heard() -> None:
    phone = Phone(Pause(1.0), speech_bytes=10_000)
    phone.tick(5)
    phone.hear(phone.bot.send_audio(tone(60).tobytes()), after_ms=7)
    phone.tick(10)
    record = phone.end()
    assert record.heard
    assert record.heard.between(107, 167).tolist() == tone(60).tolist()
    assert not record.heard.between(0, 107).any()


def test_a_held_call_goes_on() -> None:
    phone = Phone(Say(utterance(100)), Pause(0.1), hold_ms=500.0)
    phone.tick(40)
    assert [turn.start_ms for turn in phone.end().turns] == [0, 200, 400]
