import math
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.media.playback_clock import PlaybackClock

RATE_HZ = 8_000
FRAME = 320


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


def hour(ppm: float, jitter_s: float, marks: bool = True) -> tuple[float, float, float]:
    """Play for an hour without a pause to a far end whose own clock runs so much faster.

    Returns:
        The least and the most that lay unplayed at the far end, and the largest error of what was heard, all of them
        milliseconds and after the first minute.
    """
    clock, pace = PlaybackClock(RATE_HZ), 1 + ppm / 1e6
    there_s, back_s = 0.05, 0.03
    played_marks: deque[float] = deque()
    echoes: deque[tuple[float, float]] = deque()
    least_ms, most_ms, error_ms = math.inf, 0.0, 0.0
    dry_ms = 0.0
    next_mark_ms = 100.0
    for tick in range(3_600 * 25):
        now_s = tick * 0.04
        # It begins when the first frame has come, and then plays at its own pace.
        played_ms = max(0.0, (now_s - there_s) * 1000 * pace - dry_ms)
        if played_ms > clock.sent_ms:
            dry_ms += played_ms - clock.sent_ms
            played_ms = clock.sent_ms
        while played_marks and played_marks[0] <= played_ms:
            position_ms = played_marks.popleft()
            jitter = jitter_s * (position_ms // 1000 * 7 % 5) / 4
            echoes.append((now_s - (played_ms - position_ms) / 1000 + back_s + jitter, position_ms))
        while echoes and echoes[0][0] <= now_s:
            at_s, position_ms = echoes.popleft()
            clock.mark_reached(str(position_ms), at_s)
        if tick > 60 * 25:
            least_ms = min(least_ms, clock.sent_ms - played_ms)
            error_ms = max(error_ms, abs(clock.heard_ms(now_s) - (played_ms - back_s * 1000)))
        while clock.ahead_ms(now_s) < 200:
            clock.sent(FRAME, now_s)
            if clock.sent_ms >= next_mark_ms and marks:
                next_mark_ms = clock.sent_ms + 1_000
                clock.mark_sent(str(clock.sent_ms))
                played_marks.append(clock.sent_ms)
        if tick > 60 * 25:
            most_ms = max(most_ms, clock.sent_ms - played_ms)
    return least_ms, most_ms, error_ms


@pytest.mark.parametrize(("ppm", "jitter_s"), [(-200, 0.02), (50, 0.02), (200, 0.0)])
def test_an_hour_at_the_far_ends_own_pace_does_not_drift(ppm: float, jitter_s: float) -> None:
    least_ms, most_ms, error_ms = hour(ppm, jitter_s)
    # Its 50 ms of transport lie unplayed as well.
    assert 209 - 1000 * jitter_s <= least_ms <= most_ms <= 271 + 1000 * jitter_s
    assert error_ms <= 2 + 1000 * jitter_s


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_far_end_without_marks_cannot_be_followed(ppm: float) -> None:
    """What the test above would see without the correction."""
    least_ms, most_ms, _ = hour(ppm, 0.0, marks=False)
    assert (least_ms == 0) if ppm > 0 else (most_ms > 900)


def test_one_echo_that_came_late_moves_the_pace_little() -> None:
    clock = PlaybackClock(RATE_HZ)
    sent(clock, 1_000, now_s=0.0)
    for name, late_s, ahead_ms in (("a", 0.05, 1_000), ("b", 0.4, 1_001), ("c", 0.05, 1_000)):
        clock.mark_sent(name)
        clock.mark_reached(name, now_s=1.0 + late_s)
        assert clock.ahead_ms(0.0 if name == "a" else 0.002) <= ahead_ms
        assert clock.ahead_ms(0.002) == pytest.approx(ahead_ms - 2)


def test_going_back_forgets_marks_and_tells_their_places() -> None:
    clock = PlaybackClock(RATE_HZ)
    for name in ("one", "two", "three"):
        sent(clock, 100, now_s=0.0)
        clock.mark_sent(name)
    assert clock.rewound(100) == [200, 300]
    assert not clock.awaits_mark
    assert (clock.sent_ms, clock.ahead_ms(0.0), clock.heard_ms(5.0)) == (100, 0, 100)
    sent(clock, 100, now_s=5.0)
    assert clock.heard_ms(5.05) == pytest.approx(150)
    clock.mark_reached("two", 5.02)
    assert clock.heard_ms(5.05) == pytest.approx(150)


def test_when_all_that_was_sent_was_heard() -> None:
    clock = PlaybackClock(8000)
    assert clock.silent_from_s() is None
    sent(clock, 1000, 10.0)
    assert clock.silent_from_s() == pytest.approx(11.0)
    sent(clock, 500, 10.5)
    assert clock.silent_from_s() == pytest.approx(11.5)
    clock.mark_sent("m")
    clock.mark_reached("m", 11.7)
    assert clock.silent_from_s() == pytest.approx(11.7)
    clock.flushed(11.8)
    assert clock.silent_from_s() is None
