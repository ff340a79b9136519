import pytest
from pipecat.frames.frames import TTSAudioRawFrame
from prometheus_client import CollectorRegistry

from models.vad import EffectiveVad
from pipelines.speech.greeting_cache import GreetingCache, GreetingKey, Recording
from pipelines.vad.inference import InferenceEngine
from runtime.engine_metrics import EngineMetrics
from tests.pipelines import sounds


async def test_what_the_models_and_the_greetings_did() -> None:
    inference, greetings = InferenceEngine(threaded=False), GreetingCache()
    registry = CollectorRegistry()
    registry.register(EngineMetrics(inference, greetings))
    assert registry.get_sample_value("aicall_vad_windows_total") == 0

    inference.vad.stream(EffectiveVad(), 8_000, lambda event: None).push(bytes(10 * 512))
    await inference.smart_turn.finished(sounds.speech(8_000).tobytes(), 8_000)
    key = GreetingKey("a voice", "Hello.")
    assert greetings.get(key) is None
    greetings.put(key, Recording.of([TTSAudioRawFrame(bytes(320), 8_000, 1)], 0))
    assert greetings.get(key) is not None

    assert registry.get_sample_value("aicall_vad_windows_total") == 10
    assert registry.get_sample_value("aicall_vad_runs_total") == 10
    assert registry.get_sample_value("aicall_vad_longest_queue") == 1
    assert registry.get_sample_value("aicall_smart_turn_inferences_total") == 1
    assert registry.get_sample_value("aicall_smart_turn_dropped_total") == 0
    assert registry.get_sample_value("aicall_smart_turn_waiting") == 0
    for engine, busy in (("vad", inference.vad.busy), ("smart_turn", inference.smart_turn.busy)):
        seconds = registry.get_sample_value("aicall_engine_busy_seconds_total", {"engine": engine})
        assert seconds == pytest.approx(busy.total_s)
        assert seconds
    assert registry.get_sample_value("aicall_greetings_total", {"kept": "true"}) == 1
    assert registry.get_sample_value("aicall_greetings_total", {"kept": "false"}) == 1
    assert registry.get_sample_value("aicall_greetings_bytes") == greetings.size_bytes
    await inference.aclose()
