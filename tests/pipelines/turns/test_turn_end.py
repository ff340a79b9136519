from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.turns.turn_end import TurnDecision, TurnEnd, TurnEndSettings

VAD_ALONE = TurnEndSettings()
SMART = TurnEndSettings(smart_turn=True)
COMPLETE, NOT_UNDERSTOOD = TurnDecision.COMPLETE, TurnDecision.NOT_UNDERSTOOD
SILENCE_S = 0.2


def a_turn(settings: TurnEndSettings = VAD_ALONE, stopped_s: float | None = 10.0) -> TurnEnd:
    """A turn in which the caller spoke, until the VAD said at `stopped_s` that they stopped."""
    turn = TurnEnd(settings)
    turn.voice_started()
    turn.turn_started()
    if stopped_s is not None:
        turn.voice_stopped(stopped_s, SILENCE_S)
    return turn


def ends(turn: TurnEnd, decision: TurnDecision, at_s: float) -> bool:
    """Whether the turn ends so, exactly then, if nothing else happens."""
    return (
        turn.deadline_s() == pytest.approx(at_s)
        and turn.decide(at_s - 0.001) is None
        and turn.decide(at_s + 0.001) is decision
        and turn.decide(turn.deadline_s() or 0.0) is decision
    )


def test_nothing_said() -> None:
    turn = TurnEnd(VAD_ALONE)
    assert turn.deadline_s() is None
    assert turn.decide(1e9) is None
    assert not turn.speaking


def test_no_end_while_the_caller_speaks() -> None:
    turn = a_turn(stopped_s=None)
    turn.transcript(5.0, final=True)
    assert turn.speaking
    assert turn.deadline_s() is None
    assert turn.decide(1e9) is None


# The VAD alone.


def test_a_final_transcript_before_the_silence_ends_the_turn_with_it() -> None:
    turn = a_turn(stopped_s=None)
    turn.transcript(9.9, final=True)
    turn.voice_stopped(10.0, SILENCE_S)
    assert ends(turn, COMPLETE, 10.0)


def test_a_final_transcript_after_the_silence_ends_the_turn_when_it_comes() -> None:
    turn = a_turn()
    turn.transcript(10.3, final=True)
    assert ends(turn, COMPLETE, 10.3)


def test_text_that_is_not_final_waits_for_the_recognisers_lateness() -> None:
    turn = a_turn(TurnEndSettings(transcript_wait_s=0.4))
    turn.transcript(10.1, final=False)
    assert ends(turn, COMPLETE, 10.4)
    turn.transcript(10.2, final=True)
    assert ends(turn, COMPLETE, 10.2)


def test_text_that_is_later_than_the_recogniser_should_be_ends_the_turn() -> None:
    turn = a_turn()
    turn.transcript(11.0, final=False)
    assert turn.decide(11.0) is COMPLETE


def test_more_text_on_its_way_withdraws_the_final() -> None:
    turn = a_turn(TurnEndSettings(transcript_wait_s=1.0))
    turn.transcript(10.1, final=True)
    turn.interim()
    assert ends(turn, COMPLETE, 11.0)
    turn.transcript(10.5, final=True)
    assert ends(turn, COMPLETE, 10.5)


def test_more_text_without_an_interim_before_it_leaves_the_final_in_force() -> None:
    turn = a_turn(TurnEndSettings(transcript_wait_s=1.0))
    turn.transcript(10.1, final=True)
    turn.transcript(10.2, final=False)
    assert ends(turn, COMPLETE, 10.2)


def test_the_speech_timeout_is_waited_for() -> None:
    turn = a_turn(TurnEndSettings(speech_timeout_s=0.8))
    turn.transcript(10.1, final=True)
    assert ends(turn, COMPLETE, 10.8)


def test_speech_that_goes_on_was_a_pause() -> None:
    turn = a_turn(TurnEndSettings(speech_timeout_s=0.8))
    turn.transcript(10.1, final=True)
    turn.voice_started()
    assert turn.deadline_s() is None
    turn.voice_stopped(12.0, SILENCE_S)
    # What was final belonged to the speech before the pause.
    assert ends(turn, COMPLETE, 12.8)
    turn.settings = replace(turn.settings, speech_timeout_s=0.0)
    assert ends(turn, COMPLETE, 12.0 + turn.settings.transcript_wait_s)


# Speech without text.


def test_no_text_at_all() -> None:
    assert ends(a_turn(), NOT_UNDERSTOOD, 12.0)
    assert ends(a_turn(TurnEndSettings(no_text_wait_s=5.0)), NOT_UNDERSTOOD, 15.0)


def test_a_recogniser_that_says_it_understood_nothing_need_not_be_waited_for() -> None:
    turn = a_turn()
    turn.nothing_understood()
    assert ends(turn, NOT_UNDERSTOOD, 10.0)
    patient = a_turn(TurnEndSettings(speech_timeout_s=0.8))
    patient.nothing_understood()
    assert ends(patient, NOT_UNDERSTOOD, 10.8)


def test_text_after_all() -> None:
    turn = a_turn()
    turn.nothing_understood()
    turn.transcript(10.0, final=True)
    assert ends(turn, COMPLETE, 10.0)


def test_what_was_not_understood_before_a_pause_says_nothing_about_what_follows() -> None:
    turn = a_turn()
    turn.nothing_understood()
    turn.voice_started()
    turn.voice_stopped(20.0, SILENCE_S)
    assert ends(turn, NOT_UNDERSTOOD, 22.0)


def test_nothing_understood_of_no_speech_is_nothing() -> None:
    turn = TurnEnd(VAD_ALONE)
    turn.turn_started()
    turn.nothing_understood()
    assert turn.deadline_s() is None


# Text without speech: a quiet "yes", or digits.


def test_text_that_the_vad_did_not_hear_ends_after_a_pause() -> None:
    turn = TurnEnd(VAD_ALONE)
    turn.turn_started()
    turn.transcript(10.0, final=False)
    assert ends(turn, COMPLETE, 10.6)
    turn.transcript(10.5, final=False)
    assert ends(turn, COMPLETE, 11.1)


def test_a_keypad_entry_ends_at_once() -> None:
    for settings in (VAD_ALONE, SMART, TurnEndSettings(speech_timeout_s=3.0)):
        turn = TurnEnd(settings)
        turn.turn_started()
        turn.transcript(10.0, final=True)
        assert ends(turn, COMPLETE, 10.0)


# Whether it may be over before it is.


def test_it_may_be_over_once_all_text_of_a_pause_is_there() -> None:
    turn = a_turn(stopped_s=None)
    turn.transcript(9.0, final=True)
    assert not turn.may_be_over
    turn.voice_paused()
    # That text belongs to what was said before, and more may be on its way.
    assert (turn.paused, turn.may_be_over) == (True, False)
    turn.transcript(9.2, final=True)
    assert turn.may_be_over
    assert turn.deadline_s() is None
    turn.voice_stopped(10.0, SILENCE_S)
    assert turn.may_be_over
    assert ends(turn, COMPLETE, 10.0)


def test_it_was_not_over() -> None:
    turn = a_turn(stopped_s=None)
    turn.voice_paused()
    turn.transcript(9.2, final=True)
    turn.voice_resumed()
    assert (turn.paused, turn.may_be_over) == (False, False)
    turn.voice_stopped(10.0, SILENCE_S)
    # What was final belonged to the speech before the pause.
    assert not turn.may_be_over
    assert ends(turn, COMPLETE, 10.0 + VAD_ALONE.transcript_wait_s)


def test_a_recogniser_may_say_later_that_its_text_is_complete() -> None:
    turn = a_turn(stopped_s=None)
    turn.text_complete()
    turn.voice_paused()
    turn.text_complete()
    assert not turn.may_be_over
    turn.transcript(9.1, final=False)
    assert not turn.may_be_over
    turn.text_complete()
    assert turn.may_be_over
    turn.interim()
    assert not turn.may_be_over
    turn.voice_stopped(10.0, SILENCE_S)
    turn.text_complete()
    assert ends(turn, COMPLETE, 10.0)


def test_smart_turn_has_a_say_in_it() -> None:
    turn = a_turn(SMART, stopped_s=None)
    turn.voice_paused()
    turn.transcript(9.2, final=True)
    assert not turn.may_be_over
    turn.verdict(finished=True)
    assert turn.may_be_over
    turn.voice_stopped(10.0, SILENCE_S)
    # The verdict of the pause is that of the silence which it became.
    assert ends(turn, COMPLETE, 10.0)
    turn.voice_started()
    turn.voice_paused()
    turn.verdict(finished=True)
    turn.voice_resumed()
    turn.voice_stopped(20.0, SILENCE_S)
    turn.transcript(20.0, final=True)
    assert ends(turn, COMPLETE, 19.8 + 3.0)


# Smart Turn.


def test_finished_speech_ends_as_soon_as_its_text_is_there() -> None:
    turn = a_turn(SMART)
    turn.transcript(10.1, final=True)
    assert ends(turn, COMPLETE, 9.8 + 3.0)
    turn.verdict(finished=True)
    assert ends(turn, COMPLETE, 10.1)


def test_the_text_may_come_after_the_verdict() -> None:
    turn = a_turn(SMART)
    turn.verdict(finished=True)
    assert ends(turn, NOT_UNDERSTOOD, 12.0)
    turn.transcript(10.7, final=True)
    assert ends(turn, COMPLETE, 10.7)


def test_unfinished_speech_ends_after_three_seconds_of_silence() -> None:
    turn = a_turn(SMART)
    turn.transcript(10.1, final=True)
    turn.verdict(finished=False)
    # The silence began before the VAD was sure of it.
    assert ends(turn, COMPLETE, 12.8)


def test_unfinished_speech_that_goes_on_is_judged_again() -> None:
    turn = a_turn(SMART)
    turn.transcript(10.1, final=True)
    turn.verdict(finished=False)
    turn.voice_started()
    turn.voice_stopped(11.0, SILENCE_S)
    turn.transcript(11.1, final=True)
    assert ends(turn, COMPLETE, 13.8)
    turn.verdict(finished=True)
    assert ends(turn, COMPLETE, 11.1)


def test_a_verdict_that_comes_too_late_does_not_count() -> None:
    turn = a_turn(SMART)
    turn.voice_started()
    turn.verdict(finished=True)
    turn.voice_stopped(11.0, SILENCE_S)
    turn.transcript(11.1, final=True)
    assert ends(turn, COMPLETE, 13.8)


def test_unfinished_speech_without_text() -> None:
    turn = a_turn(SMART)
    turn.verdict(finished=False)
    assert ends(turn, NOT_UNDERSTOOD, 12.8)
    turn.nothing_understood()
    assert ends(turn, NOT_UNDERSTOOD, 12.8)
    turn.verdict(finished=True)
    assert ends(turn, NOT_UNDERSTOOD, 10.0)


def test_the_speech_timeout_is_not_smart_turns() -> None:
    turn = a_turn(TurnEndSettings(speech_timeout_s=5.0, smart_turn=True))
    turn.transcript(10.1, final=True)
    turn.verdict(finished=True)
    assert ends(turn, COMPLETE, 10.1)


# One turn after the other.


@pytest.mark.parametrize("settings", [VAD_ALONE, SMART])
def test_a_turn_that_ended_leaves_nothing_behind(settings: TurnEndSettings) -> None:
    turn = a_turn(settings)
    turn.transcript(10.1, final=True)
    turn.verdict(finished=True)
    turn.nothing_understood()
    turn.turn_stopped()
    assert turn.deadline_s() is None
    assert turn.decide(1e9) is None
    turn.turn_started()
    assert turn.deadline_s() is None


def test_a_new_turn_knows_that_the_caller_is_speaking() -> None:
    turn = a_turn(stopped_s=None)
    turn.turn_started()
    assert turn.speaking
    turn.transcript(5.0, final=True)
    assert turn.decide(1e9) is None


class AnyCall(RuleBasedStateMachine):
    """Any order of events at all."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = TurnEnd(VAD_ALONE)
        self.now_s = 100.0

    @rule(
        speech_timeout_s=st.floats(0, 5),
        smart_turn=st.booleans(),
        transcript_wait_s=st.floats(0, 5),
        no_text_wait_s=st.floats(0, 5),
    )
    def set(self, speech_timeout_s: float, smart_turn: bool, transcript_wait_s: float, no_text_wait_s: float) -> None:
        self.turn.settings = TurnEndSettings(speech_timeout_s, smart_turn, transcript_wait_s, no_text_wait_s)

    @rule(pause_s=st.floats(0, 10))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s

    @rule()
    def start_turn(self) -> None:
        self.turn.turn_started()

    @rule()
    def stop_turn(self) -> None:
        self.turn.turn_stopped()
        assert self.turn.deadline_s() is None

    @rule()
    def start_voice(self) -> None:
        self.turn.voice_started()

    @precondition(lambda self: self.turn.speaking)
    @rule(silence_s=st.floats(0, 30))
    def stop_voice(self, silence_s: float) -> None:
        self.turn.voice_stopped(self.now_s, silence_s)

    @rule()
    def interim(self) -> None:
        self.turn.interim()

    @rule(final=st.booleans())
    def transcript(self, final: bool) -> None:
        self.turn.transcript(self.now_s, final=final)
        assert self.turn.speaking or self.turn.deadline_s() is not None

    @rule()
    def nothing_understood(self) -> None:
        self.turn.nothing_understood()

    @rule(finished=st.booleans())
    def verdict(self, finished: bool) -> None:
        self.turn.verdict(finished=finished)

    @invariant()
    def the_deadline_is_when_it_is_decided(self) -> None:
        deadline_s = self.turn.deadline_s()
        if self.turn.speaking or deadline_s is None:
            assert deadline_s is None
            assert self.turn.decide(self.now_s + 1e6) is None
            return
        assert self.turn.decide(deadline_s) is not None
        assert self.turn.decide(deadline_s - 0.001) is None
        # Nobody sits in silence for ever.
        assert deadline_s <= self.now_s + 10.0


TestAnyCall = AnyCall.TestCase


@given(st.floats(0, 1e6), st.booleans(), st.booleans())
def test_a_stop_without_anything_else_always_ends_the_turn(now_s: float, smart: bool, understood: bool) -> None:
    turn = a_turn(SMART if smart else VAD_ALONE, stopped_s=now_s)
    if not understood:
        turn.nothing_understood()
    deadline_s = turn.deadline_s()
    assert deadline_s is not None
    assert deadline_s <= now_s + 3.0
    assert turn.decide(deadline_s) is NOT_UNDERSTOOD


def test_a_speech_that_is_heard_again_has_the_whole_wait_for_text() -> None:
    turn = a_turn(stopped_s=10.0)
    turn.listen_again(11.5)
    assert turn.deadline_s() == pytest.approx(11.5 + turn.settings.no_text_wait_s)
    turn.transcript(12.0, final=True)
    turn.listen_again(12.5)
    assert turn.decide(12.5) is TurnDecision.COMPLETE


def test_nothing_is_heard_again_while_the_caller_speaks() -> None:
    turn = a_turn(stopped_s=None)
    turn.listen_again(11.0)
    assert turn.deadline_s() is None
