import pytest

from bench.scenario import FULL, QUICK, REALISTIC, Effort
from tests.standins.__main__ import parse


def test_the_stand_ins_take_the_delays() -> None:
    options = parse(REALISTIC.arguments())
    assert (options.stt_final_delay_s, options.llm_first_token_s, options.tts_first_byte_s) == (0.25, 0.4, 0.15)


@pytest.mark.parametrize("effort", [FULL, QUICK], ids=["full", "quick"])
def test_an_effort_makes_sense(effort: Effort) -> None:
    assert effort.ladder[0] == 1
    assert list(effort.ladder) == sorted(set(effort.ladder))
    assert effort.ladder_repeated <= set(effort.ladder)
    assert effort.memory_calls[0] < effort.memory_calls[1]
