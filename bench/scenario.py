"""What both servers are made to do: the same words, the same end-of-turn policy, the same vendors."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

GREETING: Final = "Hello, how can I help?"
"""What the bot says first, word for word."""

REPLY: Final = "All right, that is noted."
"""What the stand-in of the language model answers to everything: 1.7 s of speech."""

PROMPT: Final = "You answer the phone of a small hotel. Be brief."

VOICE_ID: Final = "EXAVITQu4vr4xnSDxMaL"
MODEL: Final = "gpt-4o"

RECIPE_PATH: Final = "/ws"
"""Path of the recipe's media WebSocket."""

PHRASES: Final = (
    "What time do you close today?",
    "Can I speak to somebody in sales?",
    "My order has not arrived yet.",
    "Do you have a room free on Friday?",
    "Yes that is right.",
    "Thank you very much.",
)
"""What callers say. No pause within them is long enough to end a turn, and Smart Turn takes each for finished."""

CALLER_VOICE: Final = "en-gb"
CALLER_RATE_WPM: Final = 165
SAMPLE_RATE_HZ: Final = 8000

VAD_STOP_MS: Final = 200.0
"""The VAD's silence window, which every answer waits for, milliseconds: Pipecat's default and seed 004's."""


class System(StrEnum):
    """What is measured."""

    RECIPE = "recipe"
    """Upstream's public phone bot."""
    OURS = "ours"
    """This runtime."""


class TurnPolicy(StrEnum):
    """What ends a caller's turn; the same for both systems."""

    SILENCE = "silence"
    """The VAD's silence window and nothing on top of it, once the final transcript is there."""
    SMART_TURN = "smart-turn"
    """Smart Turn v3 after the VAD's silence window: upstream's default."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        repetitions: How often the silence policy is measured, the systems taking turns.
        starts: Calls that begin beside a live one, for each repetition.
        talks: Number of calls at once, and how often each caller speaks.
        smart_turn_talks: The same with Smart Turn; empty to leave it out. Measured once.
        memory_calls: How many calls are up at the first and at the second look at the memory.
        memory_ramp_s: Time over which those in between begin, seconds.
    """

    repetitions: int
    starts: int
    talks: dict[int, int] = field(default_factory=dict)
    smart_turn_talks: dict[int, int] = field(default_factory=dict)
    memory_calls: tuple[int, int] = (5, 50)
    memory_ramp_s: float = 22.0


FULL: Final = Effort(repetitions=2, starts=6, talks={1: 6, 4: 4, 8: 5}, smart_turn_talks={1: 4, 8: 4})
"""About eleven minutes."""

QUICK: Final = Effort(repetitions=1, starts=4, talks={1: 4, 8: 3}, memory_calls=(3, 15), memory_ramp_s=6.0)
"""About three minutes; its figures are rough."""
