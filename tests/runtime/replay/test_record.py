from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from runtime.replay.record import CUT_IN_MS, CallerTurn, Failure, FailureKind, HeardAudio, Tracks, TurnKind


def turn(start_ms: float = 1000, end_ms: float = 2000) -> CallerTurn:
    return CallerTurn("hello", TurnKind.SPEECH, start_ms, end_ms)


@pytest.mark.parametrize(
    ("clears_ms", "from_ms"),
    [
        ([], 1000),
        ([500], 1000),
        ([1230], 1230),
        ([1230, 1500], 1500),
        ([2000 + CUT_IN_MS], 2000 + CUT_IN_MS),
        ([2001 + CUT_IN_MS], 1000),
    ],
)
def test_what_was_dropped_within_the_turn_was_no_answer_to_it(clears_ms: list[float], from_ms: float) -> None:
    assert turn().reply_from_ms(clears_ms) == from_ms


def test_failures_read_as_one_line() -> None:
    assert str(Failure(FailureKind.REFUSED, "HTTP 403: no")) == "refused: HTTP 403: no"
    assert str(Failure(FailureKind.STALLED)) == "stalled"


def test_both_sides_become_one_stereo_wav(tmp_path: Path) -> None:
    tracks = Tracks(8000)
    tracks.caller += np.array([1, 2, 3, 4], "<i2").tobytes()
    tracks.bot += np.array([-5, -6], "<i2").tobytes()
    assert tracks.stereo().tolist() == [[1, -5], [2, -6], [3, 0], [4, 0]]
    tracks.write_wav(tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth(), file.getnframes()) == (2, 8000, 2, 4)
        assert np.frombuffer(file.readframes(4), "<i2").tolist() == [1, -5, 2, -6, 3, 0, 4, 0]


def test_what_the_bot_said_after_the_callers_last_frame_is_cut() -> None:
    tracks = Tracks(8000)
    tracks.caller += bytes(4)
    tracks.bot += np.array([1, 2, 3], "<i2").tobytes()
    assert tracks.stereo().tolist() == [[0, 1], [0, 2]]


def test_heard_audio_comes_back_where_it_was() -> None:
    heard = HeardAudio(8000, 1000)
    for samples in ([0, 0, 0, 0], [1, 2, 3, 4], [0, 0], [5, 6]):
        heard.add(np.array(samples, "<i2").tobytes())
    assert heard.end_ms == pytest.approx(12 / 8)
    assert heard.between(0, 12 / 8).tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 5, 6]
    assert heard.between(5 / 8, 11 / 8).tolist() == [2, 3, 4, 0, 0, 5]
    assert heard.between(11 / 8, 14 / 8).tolist() == [6, 0, 0]
    assert heard.between(6 / 8, 7 / 8).tolist() == [3]


def test_heard_audio_has_its_limit() -> None:
    heard = HeardAudio(8000, 8)
    for _ in range(3):
        heard.add(bytes(8))
        heard.add(np.full(4, 7, "<i2").tobytes())
    assert heard.end_ms == 1.0
    assert heard.between(0, 1).tolist() == [0] * 4 + [7] * 4
