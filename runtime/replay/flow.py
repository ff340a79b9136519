"""The caller's script as text: one step a line, for flows that the options of ``aicall replay`` do not cover.

    reply               wait until the bot has answered and stopped (at first: its greeting)
    speech              wait until the bot begins to answer
    say 1               speak the first WAV
    barge-in 2 0.8      let the bot begin its answer, speak the second WAV 0.8 s later
    dial 12#            press keys; `dial 12# 0.3` with 0.3 s from key to key
    pause 1.5           say nothing for 1.5 s
    hangup              wait until the bot ends the call

Empty lines, and lines that begin with a number sign, are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from adapters.media.wire import DTMF_DIGITS
from models.errors import InvalidField
from runtime.replay.script import (
    AwaitHangup,
    AwaitReply,
    AwaitSpeech,
    Dial,
    Pause,
    Say,
    Script,
    Step,
    barge_in,
    conversation,
)
from runtime.replay.utterance import Utterance

LONGEST_S: Final = 3600.0
"""Longest pause that a script may ask for, seconds."""


def parse_script(text: str, utterances: Sequence[Utterance], reply: AwaitReply) -> Script:
    """Read a script.

    Args:
        text: One step a line.
        utterances: What ``say`` and ``barge-in`` number from 1.
        reply: How to wait for an answer.

    Raises:
        InvalidField: Field ``script line N``: not a step. Field ``script``: no step at all.
    """
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            steps += _steps(words, utterances, reply)
        except ValueError as error:
            raise InvalidField(f"script line {number}", str(error)) from None
    if not steps:
        raise InvalidField("script", "has no step")
    return tuple(steps)


def usual_script(
    utterances: Sequence[Utterance],
    reply: AwaitReply,
    *,
    greeting: bool = True,
    digits: str = "",
    barge_in_s: float | None = None,
) -> Script:
    """Make the script that the options describe.

    Args:
        utterances: What to say, in order.
        reply: How to wait for the greeting and for each answer.
        greeting: Whether the bot speaks first.
        digits: Keys to press after the greeting, before the first utterance; their answer is heard out.
        barge_in_s: Speak over the bot this long after it has begun, seconds: each utterance but the first, or the only
            one over the greeting. None for hearing everything out.

    Raises:
        InvalidField: Field ``dtmf``: not keys. ``barge-in``: there is nothing to speak over.
    """
    keys: Script = (Dial(_keys(digits, "dtmf")), reply) if digits else ()
    if barge_in_s is None:
        spoken = conversation(utterances, reply=reply, greeting=False)
        return (*((reply,) if greeting else ()), *keys, *spoken)
    if len(utterances) == 1:
        if not greeting:
            raise InvalidField("barge-in", "one WAV and no greeting leave nothing to speak over")
        if digits:
            raise InvalidField("barge-in", "one WAV speaks over the greeting, so there is no time for keys before it")
        return (*barge_in(utterances[0], barge_in_s, reply.timeout_s), reply)
    over = (step for said in utterances[1:] for step in barge_in(said, barge_in_s, reply.timeout_s))
    return (*((reply,) if greeting else ()), *keys, Say(utterances[0]), *over, reply)


def _steps(words: Sequence[str], utterances: Sequence[Utterance], reply: AwaitReply) -> Sequence[Step]:
    match words:
        case ["reply"]:
            return (reply,)
        case ["speech"]:
            return (AwaitSpeech(reply.timeout_s),)
        case ["hangup"]:
            return (AwaitHangup(),)
        case ["say", number]:
            return (Say(_utterance(number, utterances)),)
        case ["barge-in", number, after]:
            return barge_in(_utterance(number, utterances), _seconds(after), reply.timeout_s)
        case ["dial", digits]:
            return (Dial(_keys(digits)),)
        case ["dial", digits, gap]:
            return (Dial(_keys(digits), _seconds(gap)),)
        case ["pause", duration]:
            return (Pause(_seconds(duration)),)
        case _:
            raise ValueError("is none of: reply, speech, say N, barge-in N SECS, dial KEYS [SECS], pause SECS, hangup")


def _utterance(number: str, utterances: Sequence[Utterance]) -> Utterance:
    if not (number.isascii() and number.isdigit() and len(number) <= 4 and 1 <= int(number) <= len(utterances)):
        raise ValueError(f"the WAVs are numbered from 1 to {len(utterances)}")
    return utterances[int(number) - 1]


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LONGEST_S:
        raise ValueError(f"a time must be a number of seconds from 0 to {LONGEST_S:g}")
    return value


def _keys(digits: str, field: str = "") -> str:
    if digits and set(digits) <= DTMF_DIGITS:
        return digits
    message = "keys are 0-9, *, # and A-D"
    if field:
        raise InvalidField(field, message)
    raise ValueError(message)
