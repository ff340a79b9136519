"""What a call used of its vendors, and what that costs."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from models.customer import Prices

_PRICED_TOKENS = 1000
_PRICED_CHARACTERS = 1000
_PRICED_S = 60


class Usage(BaseModel):
    """Amounts, as Pipecat's services report them; what an interruption cut off is not in them.

    Attributes:
        llm_input_tokens: Tokens that models read.
        llm_output_tokens: Tokens that models wrote.
        tts_characters: Characters that voices were given.
        stt_seconds: Audio that recognisers were given, seconds.
    """

    model_config = ConfigDict(frozen=True)

    llm_input_tokens: int = 0
    llm_output_tokens: int = 0
    tts_characters: int = 0
    stt_seconds: float = 0.0

    def plus(self, other: Usage) -> Self:
        """Return the sum of both."""
        return self.model_copy(update={name: value + getattr(other, name) for name, value in self})

    def cost(self, prices: Prices) -> float:
        """Return what it costs, in the unit of the prices."""
        return (
            self.llm_input_tokens / _PRICED_TOKENS * prices.llm_input
            + self.llm_output_tokens / _PRICED_TOKENS * prices.llm_output
            + self.tts_characters / _PRICED_CHARACTERS * prices.tts
            + self.stt_seconds / _PRICED_S * prices.stt
        )

    def public(self, prices: Prices) -> dict[str, Any]:
        """Return what an event carries: the amounts, and ``cost`` in the unit of the prices."""
        rounded = {**self.model_dump(), "stt_seconds": round(self.stt_seconds, 3)}
        return {**rounded, "cost": round(self.cost(prices), 9)}
