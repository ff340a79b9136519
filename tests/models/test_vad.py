import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.vad.vad_analyzer import VADParams
from pydantic import ValidationError

from models.vad import EffectiveVad, VadConfig, effective_vad
from tests.models.seeds import VAD_FIELDS

CONFIGS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | st.floats(least, greatest) | st.sampled_from([int(least), int(greatest)])
        for name, (_, least, greatest) in VAD_FIELDS.items()
    },
)


def parsed(config: dict[str, Any] | None) -> VadConfig | None:
    return None if config is None else VadConfig.model_validate(config)


def test_defaults_are_the_seeds_and_pipecats() -> None:
    defaults = {name: default for name, (default, _, _) in VAD_FIELDS.items()}
    assert EffectiveVad().model_dump() == defaults
    assert VADParams().model_dump() == defaults


@pytest.mark.parametrize("name", VAD_FIELDS)
def test_borders(name: str) -> None:
    _, least, greatest = VAD_FIELDS[name]
    for value in (least, greatest, int(least), int(greatest)):
        effective = effective_vad(VadConfig.model_validate({name: value}), smart_turn_enabled=False)
        assert getattr(effective, name) == value
    wrong = [math.nextafter(least, -1), math.nextafter(greatest, 99), -1, math.nan, math.inf, -math.inf]
    no_numbers: list[Any] = [True, False, "0.5", [0.5], {}]
    for value in wrong + no_numbers:
        with pytest.raises(ValidationError) as caught:
            VadConfig.model_validate({name: value})
        assert [error["loc"] for error in caught.value.errors()] == [(name,)], value
        with pytest.raises(ValidationError):
            EffectiveVad.model_validate({name: value})


@pytest.mark.parametrize("key", ["stop_sec", "Confidence", "", "threshold"])
def test_unknown_keys_are_refused(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        VadConfig.model_validate({"confidence": 0.5, key: None})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [((key,), "extra_forbidden")]


@given(CONFIGS, st.booleans())
def test_what_is_set_counts_and_what_is_not_is_the_default(
    config: dict[str, float | None] | None, smart_turn: bool
) -> None:
    effective = effective_vad(parsed(config), smart_turn_enabled=smart_turn)
    for name, (default, _, _) in VAD_FIELDS.items():
        given_value = (config or {}).get(name)
        expected = default if given_value is None else given_value
        if smart_turn and name == "stop_secs":
            expected = 0.2
        assert getattr(effective, name) == expected


def test_zero_is_a_value() -> None:
    zeros = dict.fromkeys(VAD_FIELDS, 0)
    assert effective_vad(VadConfig.model_validate(zeros), smart_turn_enabled=False).model_dump() == zeros
    assert effective_vad(VadConfig.model_validate(zeros), smart_turn_enabled=True).stop_secs == 0.2
