from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidField
from runtime.replay.flow import parse_script, usual_script
from runtime.replay.script import AwaitHangup, AwaitReply, AwaitSpeech, Dial, Pause, Say
from tests.runtime.replay.bots import utterance

ONE, TWO, THREE = utterance(label="one"), utterance(label="two"), utterance(label="three")
REPLY = AwaitReply(timeout_s=3.0, quiet_s=0.5)
SPEECH = AwaitSpeech(3.0)


def test_every_step_can_be_written() -> None:
    text = """
    # the greeting first
    reply
    dial 12# 0.3
    dial #
    say 1
    barge-in 2 0.8
      speech
    pause 1.5
    hangup
    """
    assert parse_script(text, [ONE, TWO], REPLY) == (
        REPLY,
        Dial("12#", 0.3),
        Dial("#"),
        Say(ONE),
        SPEECH,
        Pause(0.8),
        Say(TWO),
        SPEECH,
        Pause(1.5),
        AwaitHangup(),
    )


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "script", "no step"),
        ("# nothing", "script", "no step"),
        ("reply\nsing 1", "script line 2", "none of: reply"),
        ("say", "script line 1", "none of"),
        ("say 3", "script line 1", "from 1 to 2"),
        ("say 0", "script line 1", "from 1 to 2"),
        ("say one", "script line 1", "from 1 to 2"),
        ("say ²", "script line 1", "from 1 to 2"),
        ("pause -1", "script line 1", "seconds from 0"),
        ("pause nan", "script line 1", "seconds from 0"),
        ("pause inf", "script line 1", "seconds from 0"),
        ("barge-in 1 soon", "script line 1", "seconds from 0"),
        ("dial 12E", "script line 1", "keys are"),
    ],
)
def test_what_is_no_step_is_told_with_its_line(text: str, field: str, words: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_script(text, [ONE, TWO], REPLY)
    assert caught.value.field == field
    assert words in caught.value.message


_WORDS = st.sampled_from(["reply", "say", "dial", "pause", "barge-in", "1", "2", "0.5", "#", "1e9", "\n", "x"])


@given(st.lists(_WORDS).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_script_or_an_invalid_field(text: str) -> None:
    with contextlib.suppress(InvalidField):
        assert parse_script(text, [ONE, TWO], REPLY)


def test_the_plain_conversation() -> None:
    assert usual_script([ONE, TWO], REPLY) == (REPLY, Say(ONE), REPLY, Say(TWO), REPLY)
    assert usual_script([ONE], REPLY, greeting=False) == (Say(ONE), REPLY)


def test_keys_come_after_the_greeting() -> None:
    assert usual_script([ONE], REPLY, digits="5#") == (REPLY, Dial("5#"), REPLY, Say(ONE), REPLY)


def test_each_answer_is_spoken_over() -> None:
    assert usual_script([ONE, TWO, THREE], REPLY, barge_in_s=0.7) == (
        REPLY,
        Say(ONE),
        SPEECH,
        Pause(0.7),
        Say(TWO),
        SPEECH,
        Pause(0.7),
        Say(THREE),
        REPLY,
    )


def test_one_utterance_alone_is_spoken_over_the_greeting() -> None:
    assert usual_script([ONE], REPLY, barge_in_s=0.7) == (SPEECH, Pause(0.7), Say(ONE), REPLY)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"digits": "12x"}, "dtmf"),
        ({"barge_in_s": 0.5, "greeting": False}, "barge-in"),
        ({"barge_in_s": 0.5, "digits": "1"}, "barge-in"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        usual_script([ONE], REPLY, **options)  # type: ignore[arg-type]
    assert caught.value.field == field
