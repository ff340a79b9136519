from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.replay.activity import ActivityTracker, amplitude
from runtime.replay.record import CallerTurn, FailureKind, TurnKind
from runtime.replay.runner import Frame, ScriptRunner, line_noise
from runtime.replay.script import AwaitHangup, AwaitReply, AwaitSpeech, Dial, Pause, Say, Script, Step
from tests.runtime.replay.bots import tone, utterance

LOUD = tone(20).tobytes()
SILENT = bytes(320)
REPLY = AwaitReply(timeout_s=1.0, quiet_s=0.1, longest_s=2.0)


class Walk:
    """A runner and what it hears: the bot is audible in the given spans of milliseconds."""

    def __init__(self, script: Script, *audible: tuple[int, int]) -> None:
        self.ear = ActivityTracker(8000)
        self.runner = ScriptRunner(script, self.ear, 8000, noise=SILENT)
        self.audible = audible
        self.frames: list[Frame] = []

    @property
    def now_ms(self) -> int:
        return 20 * len(self.frames)

    def step(self) -> Frame:
        loud = any(start <= self.now_ms < end for start, end in self.audible)
        self.frames.append(self.runner.next_frame())
        self.ear.feed(LOUD if loud else SILENT)
        return self.frames[-1]

    def run(self, limit: int = 1000) -> Walk:
        while not self.runner.finished and len(self.frames) < limit:
            self.step()
        return self

    def failed(self) -> FailureKind | None:
        return self.runner.failure.kind if self.runner.failure else None


def test_an_utterance_is_said_bit_exact_and_its_speech_is_noted() -> None:
    said = utterance(70)
    walk = Walk((Pause(0.1), Say(said))).run()
    assert b"".join(frame.pcm for frame in walk.frames if frame.speaking) == said.pcm.ljust(4 * 320, b"\0")
    assert walk.runner.turns == [CallerTurn("hello", TurnKind.SPEECH, 100, 170)]
    assert walk.runner.failure is None


def test_callers_who_say_the_same_share_their_frames() -> None:
    said = utterance(70)
    one, other = (Walk((Say(said),)).run() for _ in range(2))
    assert len(one.frames) == 5
    assert all(mine.pcm is theirs.pcm for mine, theirs in zip(one.frames, other.frames, strict=True))


def test_keys_are_pressed_one_after_the_other() -> None:
    walk = Walk((Dial("12#", gap_s=0.1),)).run()
    assert [(20 * at, frame.digits) for at, frame in enumerate(walk.frames) if frame.digits] == [
        (0, "1"),
        (100, "2"),
        (200, "#"),
    ]
    assert walk.runner.turns == [CallerTurn("12#", TurnKind.KEYS, 0, 200)]
    assert len(walk.frames) == 16


def test_the_greeting_is_heard_out_before_the_caller_speaks() -> None:
    walk = Walk((REPLY, Say(utterance(100))), (200, 500)).run()
    # 500 ms, 100 ms of quiet, and the frame in which that is known.
    assert walk.runner.turns[0].start_ms == pytest.approx(600, abs=20)


def test_pauses_in_an_answer_do_not_end_it() -> None:
    walk = Walk((REPLY, Say(utterance(100))), (0, 300), (380, 600)).run()
    assert walk.runner.turns[0].start_ms == pytest.approx(700, abs=20)


def test_an_old_answer_is_no_answer_to_a_new_turn() -> None:
    steps = (AwaitSpeech(1.0), Say(utterance(200)), AwaitSpeech(1.0))
    assert Walk(steps, (100, 500)).run().failed() is FailureKind.NO_ANSWER
    assert Walk(steps, (100, 500), (800, 900)).run().failed() is None


def test_what_was_said_before_the_clear_is_no_answer() -> None:
    walk = Walk((Say(utterance(200)), AwaitSpeech(0.5)), (60, 120))
    for _ in range(8):
        walk.step()
    walk.ear.cut()
    walk.runner.cleared(walk.now_ms)
    assert walk.run().failed() is FailureKind.NO_ANSWER


@pytest.mark.parametrize(
    ("steps", "audible", "kind", "ended_ms"),
    [
        ((REPLY,), (), FailureKind.NO_GREETING, 1000),
        ((AwaitSpeech(0.5),), (), FailureKind.NO_GREETING, 500),
        ((Say(utterance(100)), REPLY), (), FailureKind.NO_ANSWER, 1100),
        ((REPLY,), ((0, 60_000),), FailureKind.ENDLESS_ANSWER, 2000),
        ((AwaitHangup(0.3),), (), FailureKind.NOT_ENDED, 300),
    ],
)
def test_every_wait_has_its_limit(
    steps: Script, audible: tuple[tuple[int, int], ...], kind: FailureKind, ended_ms: int
) -> None:
    walk = Walk(steps, *audible).run()
    assert walk.failed() is kind
    assert walk.now_ms == pytest.approx(ended_ms, abs=40)


def test_a_failure_names_the_turn() -> None:
    walk = Walk((Say(utterance(100, "one")), Say(utterance(100, "two")), REPLY)).run()
    assert walk.runner.failure
    assert walk.runner.failure.detail == 'turn 2 ("two"), within 1 s'


@pytest.mark.parametrize(
    ("steps", "frames", "audible", "due"),
    [
        ((AwaitHangup(),), 5, (), True),
        ((REPLY,), 5, (), False),
        ((REPLY,), 5, ((0, 60),), True),
        ((REPLY, Say(utterance())), 5, ((0, 60),), False),
        ((Say(utterance(100)), REPLY), 10, (), False),
        ((Say(utterance(100)), REPLY), 20, ((200, 300),), True),
        ((Pause(5.0),), 5, (), True),
        ((Pause(5.0), Dial("1")), 5, (), False),
    ],
)
def test_whether_the_far_end_may_close(
    steps: Script, frames: int, audible: tuple[tuple[int, int], ...], due: bool
) -> None:
    walk = Walk(steps, *audible)
    for _ in range(frames):
        walk.step()
    walk.runner.far_end_closed()
    assert walk.runner.finished
    assert walk.failed() is (None if due else FailureKind.CLOSED_EARLY)


def test_a_close_after_the_end_changes_nothing() -> None:
    walk = Walk((REPLY,)).run()
    walk.runner.far_end_closed()
    assert walk.failed() is FailureKind.NO_GREETING


def test_after_the_script_the_line_goes_on() -> None:
    walk = Walk(()).run()
    assert walk.runner.finished
    assert walk.step().pcm == SILENT


def test_the_line_is_never_digitally_silent_and_never_loud() -> None:
    noise = np.frombuffer(line_noise(8000), "<i2")
    assert len(noise) == 8000
    assert amplitude(-67) < np.sqrt(np.mean(noise.astype(float) ** 2)) < amplitude(-65)
    assert line_noise(8000) == noise.tobytes()
    runner = ScriptRunner((Pause(2.0),), ActivityTracker(8000), 8000)
    assert b"".join(runner.next_frame().pcm for _ in range(100)) == noise.tobytes() * 2


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.integers(20, 300).map(lambda ms: Say(utterance(ms))),
    st.text("0123456789*#ABCD", min_size=1, max_size=4).map(lambda digits: Dial(digits, 0.04)),
    st.floats(0, 0.5).map(Pause),
    st.just(AwaitSpeech(0.5)),
    st.just(AwaitReply(0.5, 0.1, 0.5)),
    st.just(AwaitHangup(0.2)),
)


@given(
    steps=st.lists(STEPS, max_size=6),
    audible=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400)), max_size=4),
)
def test_any_script_comes_to_an_end_in_whole_frames(steps: list[Step], audible: list[tuple[int, int]]) -> None:
    walk = Walk(tuple(steps), *((start, start + length) for start, length in audible)).run()
    assert walk.runner.finished
    assert {len(frame.pcm) for frame in walk.frames} <= {320}
    starts = [turn.start_ms for turn in walk.runner.turns]
    assert starts == sorted(starts)
    assert all(turn.start_ms <= turn.end_ms <= walk.now_ms for turn in walk.runner.turns)


def test_a_held_call_repeats_its_turns_until_the_time_is_over_and_ends_after_a_whole_pass() -> None:
    walk = Walk((Pause(0.1), Say(utterance(100)), Pause(0.1)))
    walk.runner = ScriptRunner(
        (Pause(0.1), Say(utterance(100)), Pause(0.1)), walk.ear, 8000, noise=SILENT, hold_ms=450.0
    )
    walk.run()
    assert [turn.start_ms for turn in walk.runner.turns] == [100, 300]
    assert len(walk.frames) == 26
    assert walk.runner.failure is None


def test_a_script_without_turns_is_not_held_for_ever() -> None:
    walk = Walk(())
    walk.runner = ScriptRunner((Pause(0.1),), walk.ear, 8000, noise=SILENT, hold_ms=10_000.0)
    assert len(walk.run().frames) == 6
