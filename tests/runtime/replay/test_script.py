from __future__ import annotations

from runtime.replay.script import AwaitReply, AwaitSpeech, Dial, Pause, Say, again, barge_in, conversation
from tests.runtime.replay.bots import utterance

REPLY = AwaitReply(quiet_s=0.7)


def test_a_conversation_hears_the_greeting_and_each_answer_out() -> None:
    first, second = utterance(label="one"), utterance(label="two")
    assert conversation([first, second], reply=REPLY) == (REPLY, Say(first), REPLY, Say(second), REPLY)


def test_a_bot_that_does_not_greet_is_spoken_to_at_once() -> None:
    first = utterance()
    assert conversation([first], reply=REPLY, greeting=False) == (Say(first), REPLY)


def test_a_barge_in_waits_until_the_bot_speaks() -> None:
    said = utterance()
    assert barge_in(said, 0.8, timeout_s=9.0) == (AwaitSpeech(9.0), Pause(0.8), Say(said))


def test_who_stays_begins_again_at_the_first_turn() -> None:
    first, second = utterance(), utterance()
    reply = AwaitReply()
    assert again((reply, Pause(1.0), Say(first), reply, Say(second))) == (Say(first), reply, Say(second))
    assert again((reply, Dial("1"), Say(first))) == (Dial("1"), Say(first))
    assert again((reply, Pause(1.0))) == ()
