from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.playout import Gap, PlayoutBuffer
from models.errors import InvalidField

RATE_HZ = 8000


def _tone(duration_ms: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * (RATE_HZ * duration_ms // 1000)


def _silence(duration_ms: int) -> bytes:
    return _tone(duration_ms, 0)


def test_it_plays_in_real_time_with_silence_around() -> None:
    buffer = PlayoutBuffer(RATE_HZ, start_s=100.0)
    buffer.push(_tone(40), 100.1)
    assert buffer.buffered_ms == 40
    assert buffer.pull(100.12).pcm == _silence(100) + _tone(20)
    assert buffer.buffered_ms == 20
    assert buffer.pull(100.2).pcm == _tone(20) + _silence(60)
    assert buffer.position_ms == 200
    assert buffer.gaps == []


def test_what_arrives_behind_a_full_buffer_follows_without_a_seam() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    for number in range(1, 6):
        buffer.push(_tone(20, number), 0.0)
    assert buffer.pull(0.1).pcm == b"".join(_tone(20, number) for number in range(1, 6))
    assert buffer.gaps == []


def test_marks_come_when_the_audio_before_them_was_played() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.mark("empty")
    buffer.push(_tone(20), 0.0)
    buffer.mark("a")
    buffer.mark("b")
    buffer.push(_tone(20), 0.0)
    buffer.mark("c")
    assert buffer.pull(0.0) == (b"", ["empty"])
    assert buffer.pull(0.019875).marks == []
    assert buffer.pull(0.02).marks == ["a", "b"]
    assert buffer.pull(0.05).marks == ["c"]


def test_a_flush_drops_the_rest_and_echoes_what_is_pending_in_order() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.push(_tone(100), 0.0)
    buffer.mark("played")
    buffer.push(_tone(100), 0.0)
    buffer.mark("pending")
    assert buffer.clear(0.15) == ["played", "pending"]
    assert buffer.buffered_ms == 0
    assert buffer.pull(0.2) == (_tone(150) + _silence(50), [])
    buffer.push(_tone(20), 0.2)
    buffer.mark("next")
    assert buffer.pull(0.22) == (_tone(20), ["next"])
    assert buffer.gaps == []


def test_running_dry_in_an_utterance_is_a_gap() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.push(_tone(20), 0.0)
    buffer.push(_tone(20), 0.05)
    buffer.push(_tone(20), 0.07)
    buffer.push(_tone(20), 1.09)
    buffer.push(_tone(20), 3.0)
    assert buffer.gaps == [Gap(at_ms=20, duration_ms=30), Gap(at_ms=90, duration_ms=1000)]


def test_a_gap_counts_once() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.push(_tone(20), 0.0)
    buffer.push(_tone(20), 0.05)
    buffer.push(_tone(20), 0.06)
    assert buffer.gaps == [Gap(at_ms=20, duration_ms=30)]


def test_running_dry_before_a_flush_is_no_gap() -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.push(_tone(20), 0.0)
    buffer.clear(0.05)
    buffer.push(_tone(20), 0.1)
    assert buffer.gaps == []


@pytest.mark.parametrize("early", [True, False])
def test_the_end_of_an_utterance_is_no_gap(early: bool) -> None:
    buffer = PlayoutBuffer(RATE_HZ)
    buffer.push(_tone(20), 0.0)
    if not early:
        buffer.pull(0.03)
    buffer.end_utterance()
    buffer.push(_tone(20), 0.1)
    buffer.push(_tone(20), 0.2)
    assert buffer.gaps == [Gap(at_ms=120, duration_ms=80)]


def test_a_clock_that_stands_or_goes_back_plays_nothing() -> None:
    buffer = PlayoutBuffer(RATE_HZ, start_s=1.0)
    buffer.push(_tone(20), 0.0)
    assert buffer.pull(0.5).pcm == b""
    assert buffer.pull(1.01).pcm == _tone(10)
    assert buffer.pull(1.005).pcm == b""
    assert buffer.pull(1.02).pcm == _tone(10)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidField):
        PlayoutBuffer(RATE_HZ).push(b"\x00", 0.0)


steps = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["push", "mark", "clear", "pull"]), st.integers(1, 50)), max_size=30
)


@given(steps=steps, start_s=st.floats(0, 1e6))
def test_it_hears_what_a_model_of_single_samples_hears(steps: list[tuple[int, str, int]], start_s: float) -> None:
    buffer = PlayoutBuffer(RATE_HZ, start_s=start_s)
    waiting: list[int | str] = []
    heard: list[int] = []
    marks: list[str] = []
    output = b""
    reached: list[str] = []
    clock, serial = 0, 0
    for pause, action, size in steps:
        for _ in range(pause):
            while waiting and isinstance(waiting[0], str):
                marks.append(str(waiting.pop(0)))
            heard.append(int(waiting.pop(0)) if waiting else 0)
        clock += pause
        now_s = start_s + clock / RATE_HZ
        if action == "push":
            values = [serial + at + 1 for at in range(size)]
            serial += size
            buffer.push(b"".join(value.to_bytes(2, "little") for value in values), now_s)
            waiting += values
        elif action == "mark":
            buffer.mark(str(serial))
            waiting.append(str(serial))
        elif action == "clear":
            reached += buffer.clear(now_s)
            marks += [entry for entry in waiting if isinstance(entry, str)]
            waiting.clear()
        else:
            pcm, names = buffer.pull(now_s)
            output, reached = output + pcm, reached + names
    last = buffer.pull(start_s + clock / RATE_HZ)
    assert output + last.pcm == b"".join(value.to_bytes(2, "little") for value in heard)
    reached += last.marks
    reached += buffer.clear(start_s + clock / RATE_HZ)
    assert reached == marks + [entry for entry in waiting if isinstance(entry, str)]
