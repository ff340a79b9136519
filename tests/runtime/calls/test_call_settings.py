"""What the AIcall says goes before what the server says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.vad import EffectiveVad
from runtime.calls.call_settings import conversation_settings
from tests.adapters.store.samples import make_aicall
from tests.runtime.serving import settings_in


@pytest.mark.parametrize(
    ("parameter", "idle_timeout_s", "early"),
    [({}, 9.0, True), ({"idle_timeout_s": 3.0, "answer_early": False}, 3.0, False)],
)
def test_the_aicall_goes_first(tmp_path: Path, parameter: dict[str, Any], idle_timeout_s: float, early: bool) -> None:
    aicall = make_aicall().model_copy(update={"parameter": parameter, "stt_language": "en-GB"})
    vad = EffectiveVad(stop_secs=0.7)
    made = conversation_settings(
        settings_in(tmp_path, idle_timeout_s=9.0, llm_stall_s=4.0),
        aicall,
        vad=vad,
        variables={},
        may_speculate=True,
        past=None,
    )
    assert (made.idle_timeout_s, made.answers_early, made.limits.llm_s) == (idle_timeout_s, early, 4.0)
    assert (made.vad, made.language, made.past) == (vad, "en-GB", None)


def test_variables_stand_in_the_greeting_and_a_stateful_model_is_not_asked_early(tmp_path: Path) -> None:
    aicall = make_aicall().model_copy(update={"parameter": {"greeting": "Hello ${name}."}})
    made = conversation_settings(
        settings_in(tmp_path),
        aicall,
        vad=EffectiveVad(),
        variables={"name": "Ada"},
        may_speculate=False,
        past=None,
    )
    assert made.options.greeting == "Hello Ada."
    assert not made.answers_early
