from functools import cache

import numpy as np
import pytest

from adapters.tts.espeak_engine import shared_engine
from bench.vad_floor import beyond_vad_ms, silences_ms
from runtime.replay.utterance import Utterance, utterance_of
from tests.bench.records import record

RATE_HZ = 8_000


@cache
def utterance() -> Utterance:
    spoken = shared_engine().synthesize("Do you have a room free on Friday?", "en-gb", RATE_HZ, 165).result()
    return utterance_of("said", np.frombuffer(spoken.pcm, dtype="<i2"), spoken.sample_rate_hz, RATE_HZ)


def silence(duration_ms: int) -> bytes:
    return bytes(2 * RATE_HZ * duration_ms // 1000)


async def test_speech_ends_once_the_silence_window_after_what_the_model_hears() -> None:
    said = utterance()
    track = silence(1_000) + said.pcm + silence(1_500) + said.pcm + silence(1_500)
    second_ms = 1_000 + said.duration_ms + 1_500
    found = await silences_ms(track, RATE_HZ)
    ends_ms = [1_000 + said.speech_end_ms, second_ms + said.speech_end_ms]
    assert len(found) == 2
    assert all(200 <= moment - end_ms <= 450 for moment, end_ms in zip(found, ends_ms, strict=True))
    assert all(moment % 20 == 0 for moment in found)


async def test_the_decision_is_known_with_the_last_sample_before_it_and_not_sooner() -> None:
    track = silence(1_000) + utterance().pcm + silence(1_500)
    (decided_ms,) = await silences_ms(track, RATE_HZ)
    heard = len(silence(int(decided_ms)))
    assert await silences_ms(track[:heard], RATE_HZ) == [decided_ms]
    assert await silences_ms(track[: heard - 2], RATE_HZ) == []


async def test_silence_has_no_end_of_speech() -> None:
    assert await silences_ms(silence(2_000), RATE_HZ) == []
    assert await silences_ms(b"", RATE_HZ) == []


def test_an_answer_is_measured_from_the_decision_on_its_own_turn() -> None:
    call = record(turns=[(1_000, 2_000), (5_000, 6_000)], speech=[(2_310, 4_000), (6_400, 7_000)])
    beyond = beyond_vad_ms(call, [2_280.0, 6_260.0], from_ms=0, to_ms=60_000)
    assert beyond == pytest.approx([30.0, 140.0])


@pytest.mark.parametrize(("from_ms", "to_ms", "left"), [(3_000, 60_000, 140.0), (0, 5_500, 30.0)])
def test_only_turns_of_the_steady_part_count(from_ms: float, to_ms: float, left: float) -> None:
    call = record(turns=[(1_000, 2_000), (5_000, 6_000)], speech=[(2_310, 4_000), (6_400, 7_000)])
    assert beyond_vad_ms(call, [2_280.0, 6_260.0], from_ms=from_ms, to_ms=to_ms) == pytest.approx([left])


def test_a_turn_without_a_decision_or_an_answer_is_left_out() -> None:
    call = record(turns=[(1_000, 2_000), (5_000, 6_000)], speech=[(2_310, 4_000)])
    assert beyond_vad_ms(call, [], from_ms=0, to_ms=60_000) == []
    assert beyond_vad_ms(call, [6_260.0], from_ms=0, to_ms=60_000) == []
