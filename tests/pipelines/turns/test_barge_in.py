from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.options import BargeInMode
from pipelines.turns.barge_in import Action, BargeIn, BargeInSettings, BargeInState, Cause, Decision
from pipelines.turns.overheard import Overheard

SETTINGS = BargeInSettings()
SILENCE_S = 0.2
HOLD = Decision(Action.HOLD, Cause.VOICE)
WORDS, BACKCHANNEL, ECHO = Overheard


def start(cause: Cause) -> Decision:
    return Decision(Action.START, cause)


def resume(cause: Cause) -> Decision:
    return Decision(Action.RESUME, cause)


def forget(cause: Cause) -> Decision:
    return Decision(Action.FORGET, cause)


def a_hold(settings: BargeInSettings = SETTINGS, *, stopped_s: float | None = None) -> BargeIn:
    """Voice over the bot from second 10 on, until the VAD says at `stopped_s` that it is over."""
    it = BargeIn(settings)
    assert it.voice_started(10.0, audible=True) == HOLD
    if stopped_s is not None:
        assert it.voice_stopped(stopped_s, SILENCE_S) is None
    return it


def decides(it: BargeIn, decision: Decision, at_s: float, *, audible: bool = False) -> bool:
    """Whether it decides so, exactly then, if nothing else happens."""
    return (
        it.deadline_s() == pytest.approx(at_s)
        and it.decide(at_s - 0.001, audible=audible) is None
        and it.decide(at_s + 0.001, audible=audible) == decision
        and it.deadline_s() is None
    )


def test_nothing_said() -> None:
    it = BargeIn(SETTINGS)
    assert it.deadline_s() is None
    assert it.decide(1e9, audible=True) is None
    assert not it.held
    assert it.text_complete() is None
    assert it.interrupted() is None
    assert it.voice_stopped(1.0, SILENCE_S) is None


@pytest.mark.parametrize("mode", ["off", "immediate", "confirm"])
def test_whoever_speaks_into_silence_has_the_turn(mode: BargeInMode) -> None:
    it = BargeIn(replace(SETTINGS, mode=mode))
    assert it.voice_started(10.0, audible=False) == start(Cause.VOICE)
    assert it.deadline_s() is None
    assert it.text(11.0, WORDS, audible=False) is None
    assert it.text_complete() is None
    assert it.keys() is None
    assert it.voice_stopped(12.0, SILENCE_S) is None
    it.turn_stopped()
    assert it.text(13.0, BACKCHANNEL, audible=False) == start(Cause.WORDS)


def test_immediately_means_with_the_first_sound() -> None:
    it = BargeIn(replace(SETTINGS, mode="immediate"))
    assert it.voice_started(10.0, audible=True) == start(Cause.VOICE)
    it.turn_stopped()
    assert it.text(13.0, BACKCHANNEL, audible=True) == start(Cause.WORDS)


# A hold ends in an interruption.


@pytest.mark.parametrize("final", [True, False])
def test_a_word_interrupts_at_once(*, final: bool) -> None:
    it = a_hold()
    assert it.held
    assert it.text(10.3, WORDS, audible=False, final=final) == start(Cause.WORDS)
    assert not it.held


def test_a_word_after_backchannels_and_echo_interrupts_too() -> None:
    it = a_hold()
    assert it.text(10.2, ECHO, audible=False) is None
    assert it.text(10.3, BACKCHANNEL, audible=False) is None
    assert it.text(10.4, WORDS, audible=False) == start(Cause.WORDS)


def test_a_word_that_is_recognised_after_the_voice_interrupts() -> None:
    it = a_hold(stopped_s=10.5)
    assert it.text(11.2, WORDS, audible=False, complete=True) == start(Cause.WORDS)


def test_a_long_voice_interrupts_without_words() -> None:
    assert decides(a_hold(), start(Cause.LONG_VOICE), 10.8)
    assert decides(a_hold(replace(SETTINGS, interrupt_after_s=0.0)), start(Cause.LONG_VOICE), 10.0)


def test_a_long_voice_interrupts_although_it_began_with_a_backchannel() -> None:
    it = a_hold()
    assert it.text(10.4, BACKCHANNEL, audible=False, complete=True) is None
    assert decides(it, start(Cause.LONG_VOICE), 10.8)


def test_pauses_do_not_count_as_voice() -> None:
    it = a_hold(stopped_s=10.5)
    assert it.voice_started(11.0, audible=False) is None
    assert decides(it, start(Cause.LONG_VOICE), 11.0 + 0.8 - (0.5 - SILENCE_S))


def test_an_echo_is_no_voice_of_the_caller_for_a_while() -> None:
    it = a_hold()
    assert it.text(10.4, ECHO, audible=False) is None
    assert decides(it, start(Cause.LONG_VOICE), 12.5)


def test_keys_interrupt_whatever_was_said() -> None:
    assert a_hold().keys() == start(Cause.KEYS)
    assert a_hold(stopped_s=10.5).keys() == start(Cause.KEYS)
    for mode in ("off", "immediate", "confirm"):
        assert BargeIn(replace(SETTINGS, mode=mode)).keys() == start(Cause.KEYS)


def test_who_is_interrupted_elsewhere_while_the_caller_speaks_listens_to_them() -> None:
    assert a_hold().interrupted() == start(Cause.ELSEWHERE)


# A hold ends with the bot going on.


def test_a_cough() -> None:
    assert decides(a_hold(stopped_s=10.3), resume(Cause.NO_WORDS), 10.3 + 0.8)


def test_a_recogniser_that_is_slow_gets_its_time() -> None:
    it = a_hold()
    assert it.voice_stopped(10.3, SILENCE_S, late_s=1.5) is None
    assert decides(it, resume(Cause.NO_WORDS), 10.3 + 1.5 - SILENCE_S)


def test_a_recogniser_that_understood_nothing_decides_at_once() -> None:
    assert a_hold(stopped_s=10.3).text_complete() == resume(Cause.NO_WORDS)


def test_a_recogniser_that_was_done_in_the_silence_decides_with_its_end() -> None:
    it = a_hold()
    assert it.text_complete() is None
    assert it.voice_stopped(10.3, SILENCE_S) == resume(Cause.NO_WORDS)
    it = a_hold()
    assert it.text(10.2, BACKCHANNEL, audible=False, complete=True) is None
    assert it.voice_stopped(10.3, SILENCE_S) == resume(Cause.BACKCHANNEL)


def test_a_recogniser_was_not_done_when_the_voice_goes_on() -> None:
    it = a_hold()
    assert it.text_complete() is None
    it.voice_went_on()
    assert it.voice_stopped(10.6, SILENCE_S) is None
    it = a_hold()
    assert it.text_complete() is None
    assert it.text(10.4, BACKCHANNEL, audible=False, final=False) is None
    assert it.voice_stopped(10.6, SILENCE_S) is None
    it = a_hold(stopped_s=10.3)
    assert it.voice_started(10.4, audible=False) is None
    assert it.text_complete() is None
    assert it.voice_started(10.6, audible=False) is None
    assert it.voice_stopped(10.7, SILENCE_S) is None


@pytest.mark.parametrize("heard", [BACKCHANNEL, ECHO])
def test_a_backchannel_or_an_echo_that_is_complete_decides_at_once(heard: Overheard) -> None:
    assert a_hold(stopped_s=10.3).text(10.5, heard, audible=False, complete=True) == resume(Cause(heard))


def test_a_final_text_is_given_a_little_time_for_more() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.text(10.5, BACKCHANNEL, audible=False) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.5 + 0.2)


def test_a_final_text_is_given_no_more_time_than_there_is() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.text(11.0, BACKCHANNEL, audible=False) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.3 + 0.8)


def test_a_final_text_in_the_silence_is_given_a_little_time_for_more() -> None:
    it = a_hold()
    assert it.text(10.2, BACKCHANNEL, audible=False) is None
    assert it.voice_stopped(10.3, SILENCE_S) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.3 + 0.2)


def test_a_final_text_before_the_end_of_the_voice_is_not_all_of_it() -> None:
    it = a_hold()
    assert it.text(10.2, BACKCHANNEL, audible=False) is None
    assert it.voice_stopped(10.6, SILENCE_S) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.6 + 0.8)


def test_an_interim_text_waits_for_the_final_one() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.text(10.4, BACKCHANNEL, audible=False) is None
    assert it.text(10.5, BACKCHANNEL, audible=False, final=False) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.3 + 0.8)


def test_the_text_of_a_second_voice_is_waited_for_although_the_first_has_one() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.text(10.4, BACKCHANNEL, audible=False) is None
    assert it.voice_started(10.5, audible=False) is None
    assert it.voice_stopped(10.8, SILENCE_S) is None
    assert decides(it, resume(Cause.BACKCHANNEL), 10.8 + 0.8)


def test_no_hold_is_longer_than_the_longest() -> None:
    it = a_hold(stopped_s=10.2)
    for start_s in (10.9, 11.6, 12.3):
        assert it.voice_started(start_s, audible=False) is None
        assert it.voice_stopped(start_s + 0.1, SILENCE_S) is None
    assert decides(it, resume(Cause.NO_WORDS), 12.5)
    it = a_hold(replace(SETTINGS, interrupt_after_s=2.0), stopped_s=10.3)
    assert it.voice_started(10.9, audible=False) is None
    assert decides(it, start(Cause.LONG_VOICE), 12.5)


def test_after_an_interruption_by_others_there_is_nothing_to_decide() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.interrupted() == resume(Cause.ELSEWHERE)
    assert it.deadline_s() is None
    assert it.interrupted() is None


def test_what_is_recognised_after_all_interrupts_or_is_forgotten() -> None:
    it = a_hold(stopped_s=10.3)
    it.decide(11.2, audible=False)
    assert it.text(11.5, BACKCHANNEL, audible=True) == forget(Cause.BACKCHANNEL)
    assert it.text(11.5, ECHO, audible=True) == forget(Cause.ECHO)
    assert it.text(11.6, WORDS, audible=True, final=False) == start(Cause.WORDS)


def test_what_may_still_change_need_not_be_forgotten() -> None:
    it = BargeIn(SETTINGS)
    assert it.text(11.5, BACKCHANNEL, audible=True, final=False) is None
    assert it.text(11.6, WORDS, audible=True, final=False) == start(Cause.WORDS)


def test_one_hold_knows_nothing_of_the_last() -> None:
    it = a_hold(stopped_s=10.3)
    assert it.text(10.4, ECHO, audible=False, complete=True) == resume(Cause.ECHO)
    assert it.voice_started(11.0, audible=True) == HOLD
    assert it.deadline_s() == pytest.approx(11.8)
    assert it.voice_stopped(11.3, SILENCE_S) is None
    assert decides(it, resume(Cause.NO_WORDS), 11.3 + 0.8)


# Echo.


def echoes(it: BargeIn, count: int, from_s: float = 10.0) -> None:
    for index in range(count):
        began_s = from_s + index
        assert it.voice_started(began_s, audible=True) == HOLD
        assert it.voice_stopped(began_s + 0.4, SILENCE_S) is None
        assert it.text(began_s + 0.5, ECHO, audible=False, complete=True) == resume(Cause.ECHO)


def test_on_a_line_with_echo_the_bot_talks_on_until_there_are_words() -> None:
    it = BargeIn(SETTINGS)
    echoes(it, 2)
    assert it.voice_started(20.0, audible=True) is None
    assert it.deadline_s() is None
    assert it.text(21.0, ECHO, audible=True) == forget(Cause.ECHO)
    assert it.text(22.0, WORDS, audible=True, final=False) == start(Cause.WORDS)


def test_who_was_a_caller_and_no_echo_is_held_for_again() -> None:
    it = BargeIn(SETTINGS)
    echoes(it, 2)
    assert it.voice_started(20.0, audible=True) is None
    assert it.text(22.0, WORDS, audible=True) == start(Cause.WORDS)
    it.turn_stopped()
    echoes(it, 1, from_s=30.0)
    assert it.voice_started(40.0, audible=True) is None


def test_words_into_silence_say_nothing_about_the_line() -> None:
    it = BargeIn(SETTINGS)
    echoes(it, 2)
    for _ in range(3):
        it.voice_started(20.0, audible=False)
        it.turn_stopped()
        it.text(22.0, WORDS, audible=False)
        it.turn_stopped()
    assert it.voice_started(40.0, audible=True) is None


def test_the_echo_of_the_last_words_comes_after_them() -> None:
    it = BargeIn(SETTINGS)
    echoes(it, 2)
    assert it.voice_started(20.0, audible=True) is None
    it.bot_silent(21.0)
    assert it.voice_stopped(21.3, SILENCE_S) is None
    assert it.deadline_s() is None
    assert it.text(21.5, ECHO, audible=False) == forget(Cause.ECHO)
    # Into the silence, the same words are a question ("After work?").
    assert it.voice_started(23.0, audible=False) == start(Cause.VOICE)


def test_words_that_were_not_said_over_the_bot_are_no_echo() -> None:
    assert BargeIn(SETTINGS).text(10.0, ECHO, audible=False) == start(Cause.WORDS)


def test_who_speaks_on_when_the_bot_has_ended_has_the_turn() -> None:
    for settings, before in ((SETTINGS, 2), (replace(SETTINGS, mode="off"), 0)):
        it = BargeIn(settings)
        echoes(it, before)
        assert it.voice_started(20.0, audible=True) is None
        it.bot_silent(21.0)
        assert decides(it, start(Cause.LONG_VOICE), 21.8)


def test_a_bot_that_speaks_again_is_not_alone_with_the_caller() -> None:
    it = BargeIn(replace(SETTINGS, mode="off"))
    it.voice_started(20.0, audible=True)
    it.bot_silent(21.0)
    assert it.decide(21.9, audible=True) is None
    assert it.deadline_s() is None


def test_a_bot_that_falls_silent_by_itself_starts_nothing() -> None:
    it = BargeIn(SETTINGS)
    it.bot_silent(9.0)
    assert it.deadline_s() is None
    it = a_hold()
    it.bot_silent(10.1)
    assert it.deadline_s() == pytest.approx(10.8)
    it = a_hold(stopped_s=10.3)
    assert it.text_complete()
    it.bot_silent(10.4)
    assert it.deadline_s() is None


# Without barge-in.


def test_off_means_that_nothing_said_over_the_bot_is_heard() -> None:
    it = BargeIn(replace(SETTINGS, mode="off"))
    assert it.voice_started(10.0, audible=True) is None
    assert it.deadline_s() is None
    for heard in Overheard:
        assert it.text(12.0, heard, audible=True) == forget(Cause(heard))
    assert it.voice_stopped(13.0, SILENCE_S) is None
    assert it.text(13.5, ECHO, audible=False) == start(Cause.WORDS)


# Whatever happens in whatever order.


class AnyCall(RuleBasedStateMachine):
    """A call whose bot, caller and recogniser do anything at any time."""

    @initialize(mode=st.sampled_from(["off", "immediate", "confirm"]), after_s=st.sampled_from([0.0, 0.8, 2.0]))
    def begin(self, mode: BargeInMode, after_s: float) -> None:
        self.settings = replace(SETTINGS, mode=mode, interrupt_after_s=after_s)
        self.it = BargeIn(self.settings)
        self.now_s = 0.0
        self.talking = False
        self.speaking = False
        self.held_s: float | None = None
        self.alone_s: float | None = None

    @property
    def audible(self) -> bool:
        return self.talking and self.held_s is None

    def does(self, decision: Decision | None) -> None:
        """Act as the strategy and media out do, and see that it is allowed."""
        if decision is None:
            return
        was_audible, was_held = self.audible, self.held_s is not None
        match decision.action:
            case Action.HOLD:
                assert self.settings.mode == "confirm"
                assert was_audible
                assert self.speaking
                self.held_s = self.now_s
            case Action.START:
                assert self.it.state is BargeInState.TURN
                if was_audible and self.settings.mode == "confirm":
                    assert decision.cause in {Cause.WORDS, Cause.KEYS}
                if was_audible and self.settings.mode == "off":
                    assert decision.cause is Cause.KEYS
                self.talking, self.held_s = False, None
            case Action.RESUME:
                assert was_held
                assert not self.speaking
                self.held_s = None
            case Action.FORGET:
                assert not was_held
                assert self.it.state is BargeInState.LISTENING

    @property
    def in_turn(self) -> bool:
        return self.it.state is BargeInState.TURN

    @precondition(lambda self: not self.speaking)
    @rule()
    def voice(self) -> None:
        self.speaking = True
        self.does(self.it.voice_started(self.now_s, audible=self.audible))

    @precondition(lambda self: self.speaking)
    @rule(silence_s=st.sampled_from([0.0, 0.2, 1.0]), late_s=st.sampled_from([0.0, 1.5]))
    def silence(self, silence_s: float, late_s: float) -> None:
        self.speaking = False
        self.does(self.it.voice_stopped(self.now_s, silence_s, late_s))

    @rule(heard=st.sampled_from(Overheard), final=st.booleans(), complete=st.booleans())
    def text(self, heard: Overheard, *, final: bool, complete: bool) -> None:
        was_held = self.it.held
        self.does(self.it.text(self.now_s, heard, audible=self.audible, final=final or complete, complete=complete))
        if was_held and heard is WORDS:
            assert self.in_turn

    @rule()
    def understood_nothing(self) -> None:
        self.does(self.it.text_complete())

    @rule()
    def went_on(self) -> None:
        self.it.voice_went_on()

    @rule()
    def keys(self) -> None:
        self.does(self.it.keys())
        assert self.in_turn

    @rule()
    def interrupted(self) -> None:
        self.does(self.it.interrupted())
        # Media out has dropped everything by then, and says so.
        if self.audible:
            self.bot_ends()

    @precondition(lambda self: not self.talking and not self.in_turn)
    @rule()
    def bot_talks(self) -> None:
        self.talking = True

    @precondition(lambda self: self.audible)
    @rule()
    def bot_ends(self) -> None:
        self.talking = False
        self.it.bot_silent(self.now_s)
        if self.speaking:
            self.alone_s = self.now_s

    @precondition(lambda self: self.in_turn and not self.speaking)
    @rule()
    def turn_ends(self) -> None:
        self.it.turn_stopped()

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.7, 3.0]))
    def time_passes(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        for _ in range(3):
            deadline_s = self.it.deadline_s()
            if deadline_s is None or deadline_s > until_s:
                break
            self.now_s = max(self.now_s, deadline_s)
            self.does(self.it.decide(self.now_s, audible=self.audible))
        else:
            raise AssertionError("a deadline that nothing comes of")
        self.now_s = until_s

    @invariant()
    def a_hold_is_known_to_both_and_short(self) -> None:
        if not hasattr(self, "it"):
            return
        assert self.it.held is (self.held_s is not None)
        if self.held_s is not None:
            assert self.now_s - self.held_s <= self.settings.longest_hold_s + 1e-9
            assert self.it.deadline_s() is not None

    @invariant()
    def who_speaks_alone_gets_the_turn(self) -> None:
        if not hasattr(self, "it"):
            return
        if self.in_turn or self.talking or not self.speaking:
            self.alone_s = None
        if self.alone_s is not None:
            assert self.now_s - self.alone_s <= self.settings.interrupt_after_s + 1e-9


TestAnyCall = AnyCall.TestCase


@given(st.floats(0, 5), st.floats(0, 1), st.floats(0, 3))
def test_what_was_said_in_time_is_decided_by_then(voice_s: float, silence_s: float, late_s: float) -> None:
    it = a_hold()
    it.voice_stopped(10.0 + voice_s, silence_s, late_s)
    deadline_s = it.deadline_s()
    assert deadline_s is not None
    assert deadline_s <= 12.5
    decision = it.decide(max(deadline_s, 10.0 + voice_s), audible=False)
    assert decision == resume(Cause.NO_WORDS)
