import pytest

from pipelines.inference import InferenceEngine
from tests.pipelines import sounds


async def test_calls_share_the_models_and_nothing_else() -> None:
    engine = InferenceEngine()
    window = sounds.speech(8_000)[4_000:4_256].tobytes()
    one = engine.vad_stream(8_000)
    first = [one.score(window, quiet=True) for _ in range(3)]
    assert len(set(first)) == 3
    other = engine.vad_stream(8_000)
    assert [other.score(window, quiet=True) for _ in range(3)] == first
    assert engine.vad_stream(16_000).sample_rate_hz == 16_000
    with pytest.raises(ValueError, match="8000 or 16000"):
        engine.vad_stream(44_100)
    assert 0.0 <= await engine.smart_turn.finished(sounds.speech(8_000).tobytes(), 8_000) <= 1.0
    # The leak check of `tests.support.leaks` sees to it that this ends the thread.
    await engine.aclose()
