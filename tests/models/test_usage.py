from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.customer import Prices
from models.usage import Usage

amounts = st.integers(0, 10**9)
usages = st.builds(Usage, llm_input_tokens=amounts, llm_output_tokens=amounts, tts_characters=amounts)
PRICES = Prices(llm_input=2, llm_output=8, tts=15, stt=0.6)


def test_prices_are_for_a_thousand_tokens_or_characters_and_for_a_minute() -> None:
    assert Usage(llm_input_tokens=1000).cost(PRICES) == 2
    assert Usage(llm_output_tokens=500).cost(PRICES) == 4
    assert Usage(tts_characters=100).cost(PRICES) == 1.5
    assert Usage(stt_seconds=90).cost(PRICES) == pytest.approx(0.9)
    assert Usage(llm_input_tokens=10**9).cost(Prices()) == 0


@given(usages, usages)
def test_costs_add_up(one: Usage, other: Usage) -> None:
    assert one.plus(other) == other.plus(one)
    assert one.plus(other).cost(PRICES) == pytest.approx(one.cost(PRICES) + other.cost(PRICES))


def test_an_event_tells_amounts_and_cost() -> None:
    usage = Usage(llm_input_tokens=10, llm_output_tokens=2, tts_characters=7, stt_seconds=1.23456)
    assert usage.public(Prices(stt=60)) == {
        "llm_input_tokens": 10,
        "llm_output_tokens": 2,
        "tts_characters": 7,
        "stt_seconds": 1.235,
        "cost": 1.23456,
    }
