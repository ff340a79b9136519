import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.playout import PlaybackClock, Playout

RATE_HZ = 8_000
FRAME = 320
"""20 ms at 8 kHz, bytes."""
LOOK_AHEAD_MS = 200


def pcm(ms: float) -> bytes:
    """So much audio; no two places of it are alike."""
    count = int(ms * RATE_HZ / 1000)
    return b"".join((number % 65_521).to_bytes(2, "little") for number in range(count))


@dataclass
class FarEnd:
    """A phone system that plays what arrives, in order and at real time, and echoes marks when it reaches them."""

    delay_s: float
    played: list[tuple[float, float, float]] = field(default_factory=list)
    """Per frame: when it starts to play, its position and its length."""
    end_s: float = -math.inf
    end_ms: float = 0.0

    def receive(self, sent_s: float, length_ms: float) -> None:
        start_s = max(sent_s + self.delay_s, self.end_s)
        self.played.append((start_s, self.end_ms, length_ms))
        self.end_s, self.end_ms = start_s + length_ms / 1000, self.end_ms + length_ms

    def position_ms(self, now_s: float) -> float:
        for start_s, position_ms, length_ms in reversed(self.played):
            if now_s >= start_s:
                return position_ms + min(length_ms, (now_s - start_s) * 1000)
        return 0.0


def sent(clock: PlaybackClock, ms: float, now_s: float) -> None:
    clock.sent(int(ms * RATE_HZ / 1000) * 2, now_s)


# The clock.


def test_audio_plays_at_real_time() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 500, now_s=100.0)
    assert clock.sent_ms == 500
    assert [clock.heard_ms(100.0 + s) for s in (-1.0, 0.0, 0.25, 0.5, 9.0)] == pytest.approx([0, 0, 250, 500, 500])
    assert [clock.ahead_ms(100.0 + s) for s in (0.0, 0.25, 9.0)] == pytest.approx([500, 250, 0])


def test_after_a_pause_it_plays_on() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 100, now_s=0.0)
    sent(clock, 100, now_s=5.0)
    assert clock.heard_ms(5.05) == pytest.approx(150)
    assert clock.heard_ms(1.0) == pytest.approx(100)


def test_a_mark_says_how_late_the_far_end_plays() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("one")
    assert clock.heard_ms(1.0) == pytest.approx(1_000)
    clock.mark_reached("one", now_s=1.12)
    assert clock.delay_ms == pytest.approx(120)
    sent(clock, 1_000, now_s=2.0)
    assert clock.heard_ms(2.1) == pytest.approx(1_000)
    assert clock.heard_ms(2.62) == pytest.approx(1_500)
    assert clock.heard_ms(3.12) == pytest.approx(2_000)


def test_the_end_of_one_answer_is_not_heard_early_because_the_next_one_began() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("one")
    clock.mark_reached("one", now_s=1.3)
    sent(clock, 1_000, now_s=2.0)
    sent(clock, 1_000, now_s=3.1)
    assert clock.heard_ms(3.1) == pytest.approx(1_800)
    assert clock.heard_ms(3.3) == pytest.approx(2_000)
    assert clock.heard_ms(3.5) == pytest.approx(2_100)


def test_a_mark_of_the_answer_before_teaches_its_own_lateness() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("end")
    sent(clock, 1_000, now_s=1.05)
    clock.mark_reached("end", now_s=1.1)
    assert clock.delay_ms == pytest.approx(100)


def test_a_mark_means_that_it_was_heard() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("early")
    clock.mark_reached("early", now_s=0.1)
    assert clock.heard_ms(0.1) == pytest.approx(1_000)
    assert clock.delay_ms == 0


def test_a_far_end_that_echoes_marks_very_late_does_not_play_that_late() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 100, now_s=0.0)
    clock.mark_sent("late")
    clock.mark_reached("late", now_s=60.0)
    assert clock.delay_ms == 1_500


@pytest.mark.parametrize("name", ["never sent", "before any audio", "flushed"])
def test_marks_that_teach_nothing(name: str) -> None:
    clock = PlaybackClock(RATE_HZ)
    clock.mark_sent("before any audio")
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("flushed")
    if name == "flushed":
        assert clock.flushed(0.4) == pytest.approx(400)
        sent(clock, 1_000, now_s=0.5)
    before = [clock.heard_ms(1.0 + step / 10) for step in range(10)]
    clock.mark_reached(name, now_s=0.9)
    assert clock.delay_ms == 0
    assert [clock.heard_ms(1.0 + step / 10) for step in range(10)] == before


def test_a_mark_counts_once() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("one")
    clock.mark_reached("one", now_s=1.1)
    clock.mark_reached("one", now_s=1.4)
    assert clock.delay_ms == pytest.approx(100)


def test_a_flush_says_what_was_heard_and_forgets_the_rest() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    clock.mark_sent("one")
    clock.mark_reached("one", now_s=1.1)
    sent(clock, 1_000, now_s=2.0)
    assert clock.flushed(2.5) == pytest.approx(1_400)
    assert clock.ahead_ms(2.5) == 0
    assert clock.sent_ms == 2_000
    sent(clock, 1_000, now_s=2.6)
    assert clock.heard_ms(2.7) == pytest.approx(2_000)
    assert clock.heard_ms(3.2) == pytest.approx(2_500)


DELAYS_S = st.floats(0.0, 1.4)
SENDS = st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 60)), min_size=1, max_size=30)
"""Pause before each send, seconds, and its frames of 20 ms."""


@given(DELAYS_S, SENDS)
def test_what_is_heard_is_what_a_far_end_played(delay_s: float, sends: list[tuple[float, int]]) -> None:
    """Once a mark has shown the delay, the clock knows the far end's position at every moment after it."""
    clock, far, now_s = PlaybackClock(RATE_HZ), FarEnd(delay_s), 50.0
    sent(clock, 1_000, now_s)
    far.receive(now_s, 1_000)
    clock.mark_sent("first")
    now_s = far.end_s
    clock.mark_reached("first", now_s)
    assert clock.delay_ms == pytest.approx(delay_s * 1000, abs=1e-6)
    for number, (pause_s, frames) in enumerate(sends):
        until_s = now_s + pause_s
        for part in range(1, 5):
            moment_s = now_s + pause_s * part / 4
            assert clock.heard_ms(moment_s) == pytest.approx(far.position_ms(moment_s), abs=1e-3)
        now_s = until_s
        sent(clock, frames * 20, now_s)
        far.receive(now_s, frames * 20)
        clock.mark_sent(f"m{number}")
        if far.end_s <= now_s + 0.5:
            now_s = far.end_s
            clock.mark_reached(f"m{number}", now_s)
            assert clock.delay_ms == pytest.approx(delay_s * 1000, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 80)), max_size=40))
def test_without_a_flush_what_is_heard_only_grows(steps: list[tuple[float, int]]) -> None:
    clock, now_s, heard_ms = PlaybackClock(RATE_HZ), 0.0, 0.0
    for pause_s, frames in steps:
        now_s += pause_s
        if frames:
            sent(clock, frames * 20, now_s)
        assert heard_ms <= clock.heard_ms(now_s) <= clock.sent_ms
        assert clock.ahead_ms(now_s) >= 0
        heard_ms = clock.heard_ms(now_s)
    assert clock.heard_ms(now_s + 1_000) == clock.sent_ms


# The playout.


def drained(playout: Playout[str], now_s: float) -> tuple[bytes, list[str]]:
    audio = b"".join(playout.due_audio(now_s, FRAME))
    return audio, list(playout.due_items(now_s))


def test_a_new_playout_is_idle() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    assert playout.idle
    assert (playout.end_ms, drained(playout, 0.0)) == (0, (b"", []))
    playout.queue_audio(b"")
    playout.pad(FRAME)
    assert playout.idle


def test_only_the_look_ahead_is_sent() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    playout.queue_audio(pcm(1_000))
    assert not playout.idle
    assert len(drained(playout, 0.0)[0]) == 10 * FRAME
    assert drained(playout, 0.0) == (b"", [])
    assert len(drained(playout, 0.021)[0]) == 2 * FRAME
    assert playout.end_ms == 1_000


def test_a_stall_is_made_good_at_once() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    playout.queue_audio(pcm(2_000))
    drained(playout, 0.0)
    assert len(drained(playout, 0.15)[0]) >= 7 * FRAME
    assert playout.clock.ahead_ms(0.15) >= LOOK_AHEAD_MS
    # A stall longer than the look-ahead is heard, and the look-ahead is whole again after it.
    drained(playout, 1.0)
    assert LOOK_AHEAD_MS <= playout.clock.ahead_ms(1.0) <= LOOK_AHEAD_MS + 20


def test_a_broken_frame_waits_for_its_rest() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    playout.queue_audio(pcm(50))
    assert drained(playout, 0.0)[0] == pcm(40)
    assert not playout.idle
    playout.pad(FRAME)
    assert playout.end_ms == 60
    assert drained(playout, 0.0)[0] == pcm(50)[640:] + bytes(160)
    assert playout.idle


def test_items_wait_for_what_was_queued_before_them() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    playout.queue_item("at once")
    playout.queue_audio(pcm(100))
    playout.queue_item("middle", 40)
    playout.queue_item("end")
    playout.queue_item("not before the end", 10)
    assert drained(playout, 0.0)[1] == ["at once"]
    assert drained(playout, 0.041)[1] == ["middle"]
    assert drained(playout, 0.099)[1] == []
    assert drained(playout, 0.101)[1] == ["end", "not before the end"]
    assert playout.idle


def test_a_flush_drops_the_audio_and_hands_the_items_back() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    playout.queue_audio(pcm(1_000))
    playout.queue_item("end")
    drained(playout, 0.0)
    assert playout.flush(0.1) == ["end"]
    assert playout.idle
    assert playout.end_ms == playout.clock.sent_ms == LOOK_AHEAD_MS
    assert drained(playout, 0.2) == (b"", [])
    playout.queue_audio(pcm(100))
    playout.queue_item("next")
    assert len(drained(playout, 0.3)[0]) == 5 * FRAME
    assert drained(playout, 0.399)[1] == []
    assert drained(playout, 0.401)[1] == ["next"]


def test_an_hour_does_not_drift() -> None:
    """A late, uneven tick sends neither more nor less than real time plus the look-ahead."""
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS)
    second = bytes(RATE_HZ * 2)
    for tick in range(3_600 * 25):
        now_s = tick * 0.04 + (tick % 7) * 0.003
        if playout.end_ms < tick * 40 + 2_000:
            playout.queue_audio(second)
        for _ in playout.due_audio(now_s, FRAME):
            pass
        assert 0 <= playout.clock.sent_ms - now_s * 1000 - LOOK_AHEAD_MS <= 20.001
        assert abs(playout.clock.heard_ms(now_s) - now_s * 1000) < 0.001


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 5_000)),
        st.tuples(st.just("item"), st.none() | st.floats(0, 5_000)),
        st.tuples(st.just("pad"), st.none()),
        st.tuples(st.just("tick"), st.floats(0, 0.5)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(20, 400), st.sampled_from([FRAME, 160, 642]))
def test_everything_comes_out_once_in_order_and_not_before_its_time(
    steps: Sequence[tuple[str, int | float | None]], look_ahead_ms: int, frame_bytes: int
) -> None:
    playout: Playout[tuple[int, float]] = Playout(RATE_HZ, look_ahead_ms)
    now_s, queued, out = 0.0, bytearray(), bytearray()
    items_in: list[tuple[int, float]] = []
    items_out: list[tuple[int, float]] = []

    def tick() -> None:
        for frame in playout.due_audio(now_s, frame_bytes):
            assert len(frame) == frame_bytes
            out.extend(frame)
        assert playout.clock.ahead_ms(now_s) < look_ahead_ms + frame_bytes / 16 + 1e-6
        assert playout.clock.sent_ms == pytest.approx(len(out) / 16)
        for item in playout.due_items(now_s):
            assert item[1] <= playout.clock.heard_ms(now_s)
            items_out.append(item)

    for kind, value in steps:
        if kind == "audio":
            piece = pcm(float(value or 0) / 8)
            playout.queue_audio(piece)
            queued += piece
        elif kind == "pad":
            playout.pad(frame_bytes)
            queued += bytes(-(len(queued) - len(out)) % frame_bytes)
        elif kind == "item":
            item = (len(items_in), playout.end_ms if value is None else float(value))
            playout.queue_item(item, value)
            items_in.append(item)
        else:
            now_s += float(value or 0)
            tick()
        assert playout.end_ms == pytest.approx(len(queued) / 16)

    playout.pad(frame_bytes)
    queued += bytes(-(len(queued) - len(out)) % frame_bytes)
    while len(out) < len(queued):
        now_s += 0.1
        tick()
    now_s += 10.0
    tick()
    assert out == queued
    # Only what waits for audio that never came is still there.
    assert items_out == items_in[: len(items_out)]
    assert all(position_ms > playout.end_ms for _, position_ms in items_in[len(items_out) : len(items_out) + 1])
    assert [*items_out, *playout.flush(now_s)] == items_in
    assert playout.idle
