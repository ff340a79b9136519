from models.vad import EffectiveVad
from pipelines.vad.inference import InferenceEngine
from pipelines.vad.voice_activity import VoiceEvent
from tests.pipelines import sounds


async def test_calls_share_the_models_and_nothing_else() -> None:
    engine = InferenceEngine(threaded=False)
    told: list[list[VoiceEvent]] = [[], []]
    streams = [engine.vad.stream(EffectiveVad(), 8_000, events.append) for events in told]
    for chunk in sounds.cut(sounds.call(8_000), [160]):
        streams[0].push(chunk)
        streams[1].push(bytes(len(chunk)))
    assert told[0].count(VoiceEvent.STARTED) >= 3
    assert told[1] == []
    assert 0.0 <= await engine.smart_turn.finished(sounds.speech(8_000).tobytes(), 8_000) <= 1.0
    # The leak check of `tests.support.leaks` sees to it that this ends the threads.
    await engine.aclose()


async def test_how_busy_it_is() -> None:
    engine = InferenceEngine()
    assert engine.busy() == 0.0
    await engine.smart_turn.finished(sounds.speech(8_000).tobytes(), 8_000)
    assert 0.0 < engine.busy() <= 1.0
    assert engine.busy() >= engine.vad.busy.share()
    await engine.aclose()
