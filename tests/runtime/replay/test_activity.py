from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.replay.activity import ActivityTracker, Span, amplitude, block_levels
from tests.runtime.replay.bots import tone


def track(*parts: tuple[int, bool], rate_hz: int = 8000) -> bytes:
    """Audio of parts of so many milliseconds, loud or silent."""
    return b"".join(
        tone(length_ms, rate_hz).tobytes() if loud else bytes(length_ms * rate_hz // 1000 * 2)
        for length_ms, loud in parts
    )


def spans(pcm: bytes, rate_hz: int = 8000) -> list[Span]:
    tracker = ActivityTracker(rate_hz)
    tracker.feed(pcm)
    return tracker.finish()


def test_full_scale_is_zero_dbfs() -> None:
    assert amplitude(0) == 32768
    assert amplitude(-20) == pytest.approx(3276.8)


def test_block_levels_are_rms_of_whole_blocks() -> None:
    samples = np.concatenate([np.full(80, 300, np.int16), np.full(80, -500, np.int16), np.full(79, 900, np.int16)])
    assert block_levels(samples, 8000).tolist() == [300, 500]


@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_onset_and_end_are_known_to_the_sample(rate_hz: int) -> None:
    found = spans(track((123, False), (457, True), (300, False), rate_hz=rate_hz), rate_hz)
    assert found == [Span(123, 580)]


def test_short_pauses_belong_to_the_speech_long_ones_do_not() -> None:
    assert spans(track((100, True), (190, False), (100, True), (230, False), (100, True))) == [
        Span(0, 390),
        Span(620, 720),
    ]


def test_a_click_is_no_speech() -> None:
    assert spans(track((100, False), (8, True), (300, False))) == []


def test_line_noise_is_no_speech() -> None:
    noise = np.random.default_rng(1).normal(0, amplitude(-60), 8000).astype("<i2")
    assert spans(noise.tobytes()) == []


def test_quiet_time_grows_until_something_is_audible() -> None:
    tracker = ActivityTracker(8000)
    tracker.feed(track((200, False)))
    assert (tracker.speaking, tracker.quiet_ms) == (False, 200)
    tracker.feed(track((60, True)))
    assert (tracker.speaking, tracker.quiet_ms) == (True, 0)
    tracker.feed(track((150, False)))
    assert (tracker.speaking, tracker.quiet_ms) == (True, 150)
    tracker.feed(track((60, False)))
    assert (tracker.speaking, tracker.quiet_ms) == (False, 210)


def test_a_cut_separates_what_would_be_one_stretch() -> None:
    tracker = ActivityTracker(8000)
    tracker.feed(track((100, True)))
    tracker.cut()
    tracker.feed(track((50, False), (100, True)))
    assert tracker.finish() == [Span(0, 100), Span(150, 250)]


def test_a_cut_is_exact_and_leaves_nothing_behind() -> None:
    tracker = ActivityTracker(8000)
    tracker.feed(track((113, True)))
    tracker.cut()
    tracker.feed(track((7, False), (100, True)))
    assert tracker.finish() == [Span(0, 113), Span(120, 220)]


def test_onsets_are_found_while_the_speech_goes_on() -> None:
    tracker = ActivityTracker(8000)
    tracker.feed(track((100, True), (300, False), (100, True)))
    assert tracker.onset_after(0) == 0
    assert tracker.onset_after(1) == 400
    assert tracker.onset_after(401) is None


@given(
    parts=st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=8),
    cuts=st.lists(st.integers(1, 500), min_size=1, max_size=20),
)
def test_it_does_not_matter_how_the_audio_is_cut_up(parts: list[tuple[int, bool]], cuts: list[int]) -> None:
    pcm = track(*parts)
    tracker = ActivityTracker(8000)
    at = turn = 0
    while at < len(pcm):
        size = 2 * cuts[turn % len(cuts)]
        tracker.feed(pcm[at : at + size])
        at, turn = at + size, turn + 1
    found = tracker.finish()
    assert found == spans(pcm)
    edges = [edge for span in found for edge in (span.start_ms, span.end_ms)]
    assert edges == sorted(edges)


def test_quiet_for_agrees_with_quiet_ms() -> None:
    tracker = ActivityTracker(8000)
    for piece in (tone(200), np.zeros(800, np.int16), tone(100), np.zeros(3200, np.int16)):
        pcm = piece.astype("<i2").tobytes()
        for at in range(0, len(pcm), 320):
            tracker.feed(pcm[at : at + 320])
            for duration_ms in (5.0, 20.0, 60.0, 250.0):
                asked = tracker.quiet_for(duration_ms)
                assert asked == (tracker.quiet_ms >= duration_ms)


def test_the_first_onset_after_a_time_is_found_among_many() -> None:
    tracker = ActivityTracker(8000)
    for _ in range(5):
        tracker.feed(tone(100).astype("<i2").tobytes() + bytes(16 * 900))
    assert [tracker.onset_after(at_ms) for at_ms in (0, 1, 1000, 1001, 4000, 4001)] == [0, 1000, 1000, 2000, 4000, None]
    tracker.feed(tone(100).astype("<i2").tobytes())
    assert [tracker.onset_after(at_ms) for at_ms in (4001, 5000, 5001)] == [5000, 5000, None]


@pytest.mark.parametrize(("amplitude_16", "audible"), [(100, False), (108, True)])
def test_faint_noise_is_told_from_silence_to_the_decibel(amplitude_16: int, audible: bool) -> None:
    tracker = ActivityTracker(8000)
    tracker.feed(np.where(np.arange(1600) % 2, amplitude_16, -amplitude_16).astype("<i2").tobytes())
    assert bool(tracker.finish()) is audible


def test_a_single_audible_block_at_each_side_of_a_frames_edge_is_speech() -> None:
    tracker = ActivityTracker(8000)
    just = np.where(np.arange(80) % 2, 115, -115).astype("<i2").tobytes()
    for frame in (bytes(160) + just, just + bytes(160), bytes(16_000)):
        tracker.feed(frame)
    assert [(span.start_ms, span.end_ms) for span in tracker.finish()] == [(10, 30)]


@given(
    levels=st.lists(st.integers(0, 130), min_size=1, max_size=40),
    frame_blocks=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
def test_blocks_are_judged_alike_alone_and_together(levels: list[int], frame_blocks: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    pcm = np.concatenate([np.round(draw.normal(0, level, 80)) for level in levels]).astype("<i2").tobytes()
    together, alone = ActivityTracker(8000), ActivityTracker(8000)
    for at in range(0, len(pcm), 160 * frame_blocks):
        together.feed(pcm[at : at + 160 * frame_blocks])
    for at in range(0, len(pcm), 160):
        alone.feed(pcm[at : at + 160])
    assert together.quiet_ms == alone.quiet_ms
    assert together.finish() == alone.finish()
