from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.media.playout import OVERLAP_MS, Playout

RATE_HZ = 8_000
FRAME = 320
"""20 ms at 8 kHz, bytes."""
LOOK_AHEAD_MS = 200


def pcm(ms: float) -> bytes:
    """So much audio; no two places of it are alike."""
    count = int(ms * RATE_HZ / 1000)
    return b"".join((number % 65_521).to_bytes(2, "little") for number in range(count))


def send(playout: Playout[Any], now_s: float) -> Iterator[bytes]:
    while (frame := playout.next_frame(now_s)) is not None:
        playout.sent(now_s)
        yield frame


def drained(playout: Playout[str], now_s: float) -> tuple[bytes, list[str]]:
    return b"".join(send(playout, now_s)), list(playout.due_items(now_s))


def test_a_new_playout_is_idle() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    assert playout.idle
    assert (playout.end_ms, drained(playout, 0.0)) == (0, (b"", []))
    playout.queue_audio(b"")
    playout.pad()
    assert playout.idle


def test_only_the_look_ahead_is_sent() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(1_000))
    assert not playout.idle
    assert len(drained(playout, 0.0)[0]) == 10 * FRAME
    assert drained(playout, 0.0) == (b"", [])
    assert len(drained(playout, 0.021)[0]) == 2 * FRAME
    assert playout.end_ms == 1_000


def test_a_stall_is_made_good_at_once() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(2_000))
    drained(playout, 0.0)
    assert len(drained(playout, 0.15)[0]) >= 7 * FRAME
    assert playout.clock.ahead_ms(0.15) >= LOOK_AHEAD_MS
    # A stall longer than the look-ahead is heard, and the look-ahead is whole again after it.
    drained(playout, 1.0)
    assert LOOK_AHEAD_MS <= playout.clock.ahead_ms(1.0) <= LOOK_AHEAD_MS + 20


def test_a_broken_frame_waits_for_its_rest() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(50))
    assert drained(playout, 0.0)[0] == pcm(40)
    assert not playout.idle
    playout.pad()
    assert playout.end_ms == 60
    assert drained(playout, 0.0)[0] == pcm(50)[640:] + bytes(160)
    assert playout.idle


def test_items_wait_for_what_was_queued_before_them() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
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
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
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


def test_a_hold_brings_back_what_was_not_heard_and_a_little_more() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(2_000))
    playout.queue_item("heard", 390)
    playout.queue_item("cut", 410)
    for tick in range(11):
        drained_items = drained(playout, tick * 0.04)[1]
    assert drained_items == ["heard"]
    playout.rewind(0.4)
    assert (playout.clock.sent_ms, playout.clock.heard_ms(9.0), playout.end_ms) == (240, 240, 2_000)
    assert list(playout.due_items(9.0)) == []
    audio, items = drained(playout, 9.0)
    assert (audio, items) == (pcm(2_000)[240 * 16 : 440 * 16], [])
    assert drained(playout, 9.16)[1] == []
    assert drained(playout, 9.171)[1] == ["cut"]


def test_a_hold_does_not_go_back_before_the_answer_nor_before_the_audio() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(2_000))
    drained(playout, 0.0)
    playout.rewind(0.05)
    assert playout.clock.sent_ms == 0
    drained(playout, 1.0)
    drained(playout, 1.1)
    playout.rewind(1.1, not_before_ms=80)
    assert playout.clock.sent_ms == 80
    drained(playout, 2.0)
    playout.rewind(2.1, not_before_ms=1_000)
    assert playout.clock.sent_ms == 180


def test_what_was_heard_is_not_played_again_because_of_a_hold() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(100))
    drained(playout, 0.0)
    playout.rewind(0.1)
    assert playout.clock.sent_ms == 100
    assert drained(playout, 0.2)[0] == b""


def test_a_hold_gives_back_all_of_it_to_a_far_end_that_plays_very_late() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(10_000))
    for tick in range(76):
        drained(playout, tick * 0.04)
        if tick == 2:
            playout.clock.mark_sent("first")
    playout.clock.mark_reached("first", 3.0)
    assert playout.clock.delay_ms == 1_500
    playout.rewind(3.0)
    assert playout.clock.sent_ms == 1_500 - OVERLAP_MS


def test_a_mark_a_second_and_those_asked_for() -> None:
    playout: Playout[str] = Playout(RATE_HZ, 60_000, FRAME)
    playout.queue_audio(pcm(2_500))
    playout.queue_mark()
    playout.queue_audio(pcm(1_300))
    positions = []
    while playout.next_frame(0.0) is not None:
        playout.sent(0.0)
        if playout.mark_due():
            positions.append(playout.clock.sent_ms)
            assert not playout.mark_due()
    assert positions == [1_000, 2_000, 2_500, 3_500]


def test_marks_that_a_hold_dropped_are_sent_again_in_their_places() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(400))
    playout.queue_mark()
    for now_s in (0.0, 0.25):
        for _ in send(playout, now_s):
            if playout.mark_due():
                playout.clock.mark_sent(f"{playout.clock.sent_ms:.0f}")
    playout.rewind(0.3)
    assert not playout.clock.awaits_mark
    again = []
    for now_s in (5.0, 5.1, 5.2):
        again += [playout.clock.sent_ms for _ in send(playout, now_s) if playout.mark_due()]
    assert again == [400]


def test_a_flush_forgets_marks_and_what_was_kept() -> None:
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    playout.queue_audio(pcm(400))
    playout.queue_mark()
    drained(playout, 0.0)
    playout.flush(0.05)
    playout.queue_audio(pcm(40))
    drained(playout, 1.0)
    assert not playout.mark_due()
    playout.rewind(1.01)
    assert playout.clock.sent_ms == LOOK_AHEAD_MS


def test_an_hour_does_not_drift() -> None:
    """A late, uneven tick sends neither more nor less than real time plus the look-ahead."""
    playout: Playout[str] = Playout(RATE_HZ, LOOK_AHEAD_MS, FRAME)
    second = bytes(RATE_HZ * 2)
    for tick in range(3_600 * 25):
        now_s = tick * 0.04 + (tick % 7) * 0.003
        if playout.end_ms < tick * 40 + 2_000:
            playout.queue_audio(second)
        for _ in send(playout, now_s):
            pass
        assert 0 <= playout.clock.sent_ms - now_s * 1000 - LOOK_AHEAD_MS <= 20.001
        assert abs(playout.clock.heard_ms(now_s) - now_s * 1000) < 0.001


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(1, 5_000)),
        st.tuples(st.just("item"), st.none() | st.floats(0, 5_000)),
        st.tuples(st.just("pad"), st.none()),
        st.tuples(st.just("rewind"), st.floats(0, 3_000)),
        st.tuples(st.just("tick"), st.floats(0, 0.5)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(20, 400), st.sampled_from([FRAME, 160, 642, 10 * FRAME]))
def test_everything_comes_out_once_in_order_and_not_before_its_time(
    steps: Sequence[tuple[str, int | float | None]], look_ahead_ms: int, frame_bytes: int
) -> None:
    playout: Playout[tuple[int, float]] = Playout(RATE_HZ, look_ahead_ms, frame_bytes)
    now_s, queued, out = 0.0, bytearray(), bytearray()
    items_in: list[tuple[int, float]] = []
    items_out: list[tuple[int, float]] = []

    def tick() -> None:
        for frame in send(playout, now_s):
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
            playout.pad()
            queued += bytes(-(len(queued) - len(out)) % frame_bytes)
        elif kind == "rewind":
            heard_ms, sent_ms = playout.clock.heard_ms(now_s), playout.clock.sent_ms
            playout.rewind(now_s, float(value or 0))
            again_ms = playout.clock.sent_ms
            if heard_ms == sent_ms:
                assert again_ms == sent_ms
            else:
                assert heard_ms - OVERLAP_MS - frame_bytes / 16 < again_ms <= heard_ms
                assert again_ms > min(float(value or 0), heard_ms) - frame_bytes / 16
            del out[round(again_ms * 16) :]
        elif kind == "item":
            item = (len(items_in), playout.end_ms if value is None else float(value))
            playout.queue_item(item, value)
            items_in.append(item)
        else:
            now_s += float(value or 0)
            tick()
        assert playout.end_ms == pytest.approx(len(queued) / 16)

    playout.pad()
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
