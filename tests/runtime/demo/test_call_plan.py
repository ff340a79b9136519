from __future__ import annotations

import os

import numpy as np

from adapters.llm.script_file import load_script
from adapters.validate import validate_ai
from models.ai import AiWrite
from runtime.demo.call_plan import AI, CUSTOMER_NUMBER, CUT_IN, GOODBYE, QUESTION, SAMPLE_RATE_HZ, caller_script
from runtime.replay.script import AwaitHangup, AwaitReply, AwaitSpeech, Dial, Pause, Say


def test_the_ai_needs_no_key_and_no_network() -> None:
    ai = AiWrite.model_validate(AI)
    vendors = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    validate_ai(ai, ai.secrets(), vendors)
    assert (ai.engine.provider, ai.stt_type, ai.tts_type) == ("script", "pocketsphinx", "espeak")


async def test_the_caller_asks_cuts_in_keys_and_says_goodbye() -> None:
    script = await caller_script()
    assert [type(step) for step in script] == [
        *(AwaitReply, Say, AwaitSpeech, Pause, Say, AwaitReply, Dial, AwaitReply, Say, AwaitHangup)
    ]
    assert [step.utterance.label for step in script if isinstance(step, Say)] == [QUESTION, CUT_IN, GOODBYE]
    assert [step.digits for step in script if isinstance(step, Dial)] == [f"{CUSTOMER_NUMBER}#"]


async def test_the_caller_is_audible() -> None:
    for step in await caller_script():
        if isinstance(step, Say):
            samples = np.frombuffer(step.utterance.pcm, "<i2")
            assert 0.5 < len(samples) / SAMPLE_RATE_HZ < 5
            assert np.abs(samples).max() > 10_000


def test_the_receptionist_knows_the_callers_phrases() -> None:
    phrases = " ".join(phrase for rule in load_script("receptionist").rules for phrase in map(str, rule.when))
    for word in f"{QUESTION} {CUT_IN} {GOODBYE}".split():
        assert word in phrases
