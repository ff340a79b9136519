"""What both servers are made to do: the same words, the same end-of-turn policy, the same vendors."""

from __future__ import annotations

from dataclasses import dataclass
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
class Delays:
    """How long the vendors' stand-ins take.

    Attributes:
        stt_final_s: From the end of speech to the final transcript, seconds.
        llm_first_token_s: From the request to the first token, seconds.
        tts_first_byte_s: From the text to the first audio, seconds.
    """

    stt_final_s: float = 0.0
    llm_first_token_s: float = 0.0
    tts_first_byte_s: float = 0.0

    def arguments(self) -> list[str]:
        """Return the command-line arguments of the stand-ins."""
        return [
            f"--stt-final-delay-s={self.stt_final_s}",
            f"--llm-first-token-s={self.llm_first_token_s}",
            f"--tts-first-byte-s={self.tts_first_byte_s}",
        ]


AT_ONCE: Final = Delays()
"""What remains is the runtime's own."""

REALISTIC: Final = Delays(stt_final_s=0.25, llm_first_token_s=0.4, tts_first_byte_s=0.15)
"""What hosted vendors take on a good day."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        limit_s: What is not over by then is left out, seconds.
        starts: Calls that begin beside live ones.
        start_rounds: How often that is done, the systems taking turns.
        ladder: Calls at once, step by step.
        ladder_repeated: The steps that are measured twice in any case.
        ladder_again: Whether a step that was disturbed is measured once more.
        single_turns: How often the only caller of a step with one call speaks.
        steady_s: How long all calls of a step are up at least, seconds.
        ladder_limit_s: No step begins later than this after the first one, seconds.
        smart_turn_calls: Calls at once with Smart Turn; none to leave it out.
        delay_calls: Calls at once with realistic vendors' delays.
        memory_calls: How many calls are up at the first and at the second look at the memory.
        memory_ramp_s: Time over which those in between begin, seconds.
        soak_calls: Short calls one after the other, for each system.
        soak_at_once: How many of them are up at a time.
        instruction_frames: Frames whose instructions are counted, each on the codec and on the ingress path.
    """

    limit_s: float
    starts: int
    start_rounds: int
    ladder: tuple[int, ...]
    ladder_repeated: frozenset[int]
    ladder_again: bool
    single_turns: int
    steady_s: float
    ladder_limit_s: float
    smart_turn_calls: tuple[int, ...]
    delay_calls: tuple[int, ...]
    memory_calls: tuple[int, int]
    memory_ramp_s: float
    soak_calls: dict[System, int]
    soak_at_once: int
    instruction_frames: tuple[int, int]


FULL: Final = Effort(
    limit_s=1490.0,
    starts=10,
    start_rounds=1,
    ladder=(1, 8, 12, 16, 24, 32, 40, 50, 60, 70, 80),
    ladder_repeated=frozenset({1, 8, 24}),
    ladder_again=True,
    single_turns=7,
    steady_s=16.0,
    ladder_limit_s=800.0,
    smart_turn_calls=(8,),
    delay_calls=(1, 8),
    memory_calls=(5, 50),
    memory_ramp_s=22.0,
    soak_calls={System.RECIPE: 200, System.OURS: 1000},
    soak_at_once=8,
    instruction_frames=(1000, 200),
)
"""At most twenty-five minutes."""

QUICK: Final = Effort(
    limit_s=238.0,
    starts=2,
    start_rounds=1,
    ladder=(1, 8),
    ladder_repeated=frozenset(),
    ladder_again=False,
    single_turns=2,
    steady_s=4.0,
    ladder_limit_s=70.0,
    smart_turn_calls=(),
    delay_calls=(1,),
    memory_calls=(2, 8),
    memory_ramp_s=2.0,
    soak_calls={System.RECIPE: 20, System.OURS: 40},
    soak_at_once=5,
    instruction_frames=(300, 60),
)
"""At most four minutes; its figures are rough."""
