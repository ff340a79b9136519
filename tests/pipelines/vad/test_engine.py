import asyncio
from collections.abc import AsyncIterator, Sequence
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState

from models.vad import EffectiveVad
from pipelines.vad.engine import VadEngine, VadStream
from pipelines.vad.silero import SileroSession, SileroState
from pipelines.vad.voice_activity import VoiceEvent
from tests.pipelines import sounds

VAD = EffectiveVad()
EDGES = (VoiceEvent.STARTED, VoiceEvent.STOPPED)


@pytest.fixture(scope="module")
def session() -> SileroSession:
    return SileroSession()


@pytest.fixture
async def engine(session: SileroSession) -> AsyncIterator[VadEngine]:
    """The leak check of `tests.support.leaks` sees to it that closing ends the thread."""
    engine = VadEngine(session)
    yield engine
    engine.close()


async def scored(engine: VadEngine, count: int) -> None:
    """Wait until so many windows were scored and what they changed was told."""
    async with asyncio.timeout(20):
        while engine.load.windows < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    # What the thread said last is behind this in the loop's queue.
    told = asyncio.Event()
    await asyncio.to_thread(asyncio.get_running_loop().call_soon_threadsafe, told.set)
    await told.wait()


async def pipecats_edges(pcm: bytes, rate_hz: int) -> list[VoiceEvent]:
    analyzer = SileroVADAnalyzer(sample_rate=rate_hz, params=VADParams(**VAD.model_dump()))
    analyzer.set_sample_rate(rate_hz)
    edges, speaking = [], False
    for chunk in sounds.cut(pcm, [rate_hz // 50]):
        state = await analyzer.analyze_audio(chunk)
        if (state in (VADState.SPEAKING, VADState.STOPPING)) != speaking:
            speaking = not speaking
            edges.append(VoiceEvent.STARTED if speaking else VoiceEvent.STOPPED)
    await analyzer.cleanup()
    return edges


@pytest.mark.parametrize("calls", [1, 6])
async def test_every_call_is_told_what_pipecat_would_tell_it(engine: VadEngine, calls: int) -> None:
    rates_hz = [8_000 if number % 2 == 0 else 16_000 for number in range(calls)]
    told: list[list[VoiceEvent]] = [[] for _ in range(calls)]
    streams = [engine.stream(VAD, rate_hz, events.append) for rate_hz, events in zip(rates_hz, told, strict=True)]
    audio = [
        sounds.cut(sounds.call(rate_hz)[number * 64 :], [rate_hz // 50]) for number, rate_hz in enumerate(rates_hz)
    ]
    for step in range(max(map(len, audio))):
        for stream, chunks in zip(streams, audio, strict=True):
            if step < len(chunks):
                stream.push(chunks[step])
        await asyncio.sleep(0)
    await scored(
        engine, sum(len(b"".join(it)) // (rate * 64 // 1000) for it, rate in zip(audio, rates_hz, strict=True))
    )
    for chunks, rate_hz, events in zip(audio, rates_hz, told, strict=True):
        edges = [event for event in events if event in EDGES]
        assert edges == await pipecats_edges(b"".join(chunks), rate_hz)
        assert len(edges) >= 6
    assert not any(stream.speaking for stream in streams)
    if calls > 1:
        assert engine.load.runs < engine.load.windows
        assert engine.load.longest_queue > 1
    assert engine.busy.total_s > 0


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=20))
async def test_it_does_not_matter_how_the_audio_is_cut(session: SileroSession, sizes: list[int]) -> None:
    pcm = sounds.call(8_000)[:80_000]
    told: list[list[VoiceEvent]] = [[], []]
    for events, cuts in zip(told, ([256], sizes), strict=True):
        engine = VadEngine(session, threaded=False)
        stream = engine.stream(VAD, 8_000, events.append)
        for chunk in sounds.cut(pcm, cuts):
            stream.push(chunk)
        stream.close()
    assert told[0] == told[1]
    assert told[0].count(VoiceEvent.STARTED) >= 1


def speak(stream: VadStream) -> int:
    """Push speech that does not end; returns the number of its windows."""
    pcm = sounds.speech(8_000).tobytes()[: 8_000 * 2]
    stream.push(pcm)
    return len(pcm) // 512


async def test_a_stream_that_ends_is_told_nothing_more(engine: VadEngine) -> None:
    told: list[VoiceEvent] = []
    stream = engine.stream(VAD, 8_000, told.append)
    count = speak(stream)
    stream.close()
    stream.close()
    await scored(engine, count)
    assert told == []


async def test_when_no_audio_comes_the_caller_is_judged_silent(engine: VadEngine) -> None:
    told: list[VoiceEvent] = []
    stream = engine.stream(VAD, 8_000, told.append)
    count = speak(stream)
    await scored(engine, count)
    assert (told[0], stream.speaking) == (VoiceEvent.STARTED, True)
    stream.force_stop()
    # One more window, so that the wait for it is a wait for the stop too.
    stream.push(bytes(512))
    await scored(engine, count + 1)
    assert (told[-1], stream.speaking) == (VoiceEvent.STOPPED, False)


async def test_no_other_rates(engine: VadEngine) -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        engine.stream(VAD, 44_100, lambda event: None)


class Script:
    """A model whose confidence for a window is the window's first sample, in percent; notes when it was asked."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[list[float]] = SimpleQueue()

    def score(self, states: Sequence[SileroState], windows: Sequence[bytes]) -> list[float]:
        confidences = [int.from_bytes(window[:2], "little") / 100 for window in windows]
        self.asked.put(confidences)
        return confidences


QUIET, VOICE = bytes(512), (100).to_bytes(2, "little") + bytes(510)
ANY_VOLUME = EffectiveVad(min_volume=0.0)
START_WINDOWS = round(ANY_VOLUME.start_secs / 0.032)


async def asked(model: Script) -> list[float]:
    """What the model is asked next. Waits for the engine's thread, which virtual time does not."""
    return await asyncio.to_thread(model.asked.get, timeout=20)


@pytest.mark.virtual_time
async def test_windows_that_cannot_change_anything_are_scored_together() -> None:
    engine, model = engine_of_script()
    streams = [engine.stream(ANY_VOLUME, 8_000, lambda event: None) for _ in range(3)]
    for stream in streams:
        stream.push(QUIET)
        await asyncio.sleep(0.006)
    assert model.asked.empty()
    await asyncio.sleep(0.002)
    assert await asked(model) == [0.0, 0.0, 0.0]
    await asyncio.to_thread(engine.close)


@pytest.mark.virtual_time
async def test_a_window_that_may_change_something_waits_for_others_but_not_for_long() -> None:
    engine, model = engine_of_script()
    told: list[VoiceEvent] = []
    stream, other = engine.stream(ANY_VOLUME, 8_000, told.append), engine.stream(ANY_VOLUME, 8_000, lambda event: None)
    for _ in range(START_WINDOWS - 1):
        stream.push(VOICE)
        await asyncio.sleep(0.02)
        assert await asked(model) == [1.0]
    other.push(QUIET)
    await asyncio.sleep(0.001)
    stream.push(VOICE)
    await asyncio.sleep(0.0041)
    assert await asked(model) == [0.0, 1.0]
    await asyncio.to_thread(engine.close)
    await asyncio.sleep(0)
    assert told == [VoiceEvent.STARTED]


@pytest.mark.virtual_time
async def test_a_caller_who_was_judged_silent_is_heard_at_once_again() -> None:
    engine, model = engine_of_script()
    vad = EffectiveVad(min_volume=0.0, start_secs=0.0)
    told: list[VoiceEvent] = []
    stream, other = engine.stream(vad, 8_000, told.append), engine.stream(vad, 8_000, lambda event: None)
    stream.push(VOICE)
    await asyncio.sleep(0.0041)
    assert await asked(model) == [1.0]
    stream.force_stop()
    other.push(QUIET)
    await asyncio.sleep(0.0041)
    assert await asked(model) == [0.0]
    stream.push(VOICE)
    await asyncio.sleep(0.0041)
    assert await asked(model) == [1.0]
    await asyncio.to_thread(engine.close)
    await asyncio.sleep(0)
    assert told == [VoiceEvent.STARTED, VoiceEvent.STOPPED, VoiceEvent.STARTED]


def engine_of_script() -> tuple[VadEngine, Script]:
    model = Script()
    return VadEngine(model), model


async def test_a_call_alone_waits_for_nobody(session: SileroSession) -> None:
    engine = VadEngine(session)
    stream = engine.stream(VAD, 8_000, lambda event: None)
    # Closed before the loop had a chance to run a timer.
    stream.push(bytes(512))
    engine.close()
    assert engine.load.windows == 1
