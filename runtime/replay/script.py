"""What a caller does, step by step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runtime.replay.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Say:
    """Speak, whether or not the bot does.

    Attributes:
        utterance: What to say.
    """

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Dial:
    """Press keys.

    Attributes:
        digits: Of ``0-9 * # A-D``.
        gap_s: Time from one key to the next, and from the last one to the next step, seconds.
    """

    digits: str
    gap_s: float = 0.2


@dataclass(frozen=True, slots=True)
class Pause:
    """Say nothing.

    Attributes:
        duration_s: For how long, seconds.
    """

    duration_s: float


@dataclass(frozen=True, slots=True)
class AwaitSpeech:
    """Wait until the bot begins to answer what was last said or keyed; before that, its greeting.

    Attributes:
        timeout_s: When the call counts as failed, seconds.
    """

    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class AwaitReply:
    """Wait until the bot has answered what was last said or keyed, and has stopped; before that, its greeting.

    Attributes:
        timeout_s: Longest wait for the answer to begin, seconds.
        quiet_s: How long the bot must be silent to have stopped, seconds. Longer than the pauses in its speech.
        longest_s: Longest answer, seconds.
    """

    timeout_s: float = 15.0
    quiet_s: float = 1.2
    longest_s: float = 120.0


@dataclass(frozen=True, slots=True)
class AwaitHangup:
    """Wait until the other side ends the call.

    Attributes:
        timeout_s: When the call counts as failed, seconds.
    """

    timeout_s: float = 30.0


Step = Say | Dial | Pause | AwaitSpeech | AwaitReply | AwaitHangup
Script = tuple[Step, ...]
"""The steps in order. The caller hangs up after the last one."""


def barge_in(utterance: Utterance, after_s: float, timeout_s: float = 15.0) -> Script:
    """Let the bot begin its answer, then speak over it.

    Args:
        utterance: What to say.
        after_s: How long the bot may speak before, seconds.
        timeout_s: Longest wait for the bot's answer, seconds.
    """
    return (AwaitSpeech(timeout_s), Pause(after_s), Say(utterance))


def conversation(utterances: Iterable[Utterance], *, reply: AwaitReply, greeting: bool = True) -> Script:
    """The plain conversation: hear the greeting out, say one thing after the other, hear each answer out.

    Args:
        utterances: What to say, in order.
        reply: How to wait for the greeting and for each answer.
        greeting: Whether the bot speaks first.
    """
    steps: list[Step] = [reply] if greeting else []
    for utterance in utterances:
        steps += (Say(utterance), reply)
    return tuple(steps)


def again(script: Script) -> Script:
    """Return what a caller repeats who stays on the line: the script from its first turn on; empty without any."""
    first = next((at for at, step in enumerate(script) if isinstance(step, Say | Dial)), len(script))
    return script[first:]
