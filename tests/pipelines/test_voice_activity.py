import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams

from models.vad import EffectiveVad
from pipelines.silero import SileroSession, SileroStream
from pipelines.voice_activity import VoiceActivity, VoiceEvent, VoiceState
from tests.pipelines import sounds

ZEROS = EffectiveVad(confidence=0, start_secs=0, stop_secs=0, min_volume=0)
RATES = [8_000, 16_000]


class ScriptedScorer:
    """Gives each window the next confidence of a list, then zero."""

    def __init__(self, confidences: list[float], sample_rate_hz: int = 8_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.window_samples = sample_rate_hz * 32 // 1000
        self.was_quiet: list[bool] = []
        self._confidences = iter(confidences)

    def score(self, window: bytes, *, quiet: bool) -> float:
        assert len(window) == self.window_samples * 2
        self.was_quiet.append(quiet)
        return next(self._confidences, 0.0)


class ScriptedAnalyzer(VADAnalyzer):
    """Pipecat's own state machine over the same list."""

    def __init__(self, confidences: list[float], params: VADParams) -> None:
        super().__init__(sample_rate=8_000, params=params)
        self._confidences = iter(confidences)
        self.set_sample_rate(8_000)

    def num_frames_required(self) -> int:
        return 256

    def voice_confidence(self, buffer: bytes) -> float:
        return next(self._confidences, 0.0)


@pytest.fixture(scope="module")
def session() -> SileroSession:
    return SileroSession()


def our_states(voice: VoiceActivity, chunks: list[bytes]) -> Iterator[str]:
    for chunk in chunks:
        was_speaking = voice.speaking
        event = voice.push(chunk)
        changed = {(False, True): VoiceEvent.STARTED, (True, False): VoiceEvent.STOPPED}
        assert event == changed.get((was_speaking, voice.speaking))
        yield voice.state.name


async def their_states(analyzer: VADAnalyzer, chunks: list[bytes]) -> list[str]:
    states = [(await analyzer.analyze_audio(chunk)).name for chunk in chunks]
    await analyzer.cleanup()
    return states


async def both_states(
    session: SileroSession, rate_hz: int, vad: EffectiveVad, chunks: list[bytes]
) -> tuple[list[str], list[str]]:
    analyzer = SileroVADAnalyzer(sample_rate=rate_hz, params=VADParams(**vad.model_dump()))
    analyzer.set_sample_rate(rate_hz)
    voice = VoiceActivity(SileroStream(rate_hz, session), vad)
    return list(our_states(voice, chunks)), await their_states(analyzer, chunks)


def chunk_sizes(rate_hz: int) -> dict[str, list[int]]:
    lengths = random.Random(7)
    fixed = {f"{ms} ms": [rate_hz * ms // 1000] for ms in (20, 32, 40, 100)}
    return fixed | {"any": [lengths.randint(1, rate_hz // 5) for _ in range(50)]}


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("size", ["20 ms", "32 ms", "40 ms", "100 ms", "any"])
async def test_verdicts_equal_pipecats_however_the_audio_is_cut(
    session: SileroSession, rate_hz: int, size: str
) -> None:
    chunks = sounds.cut(sounds.call(rate_hz), chunk_sizes(rate_hz)[size])
    ours, theirs = await both_states(session, rate_hz, EffectiveVad(), chunks)
    assert ours == theirs
    # Says that there was something to compare: three utterances, each begun and ended.
    assert ours.count("SPEAKING") > 10
    speaking = [state in ("SPEAKING", "STOPPING") for state in ours]
    assert sum(now and not before for before, now in itertools.pairwise(speaking)) >= 3


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize(
    "vad",
    [
        ZEROS,
        EffectiveVad(start_secs=0, stop_secs=0),
        EffectiveVad(confidence=0.3, min_volume=0.4, start_secs=0.1, stop_secs=0.8),
        EffectiveVad(confidence=1.0, min_volume=1.0),
    ],
    ids=["zeros", "no windows", "eager", "deaf"],
)
async def test_verdicts_equal_pipecats_whatever_is_set(session: SileroSession, rate_hz: int, vad: EffectiveVad) -> None:
    chunks = sounds.cut(sounds.call(rate_hz), [rate_hz // 50])
    ours, theirs = await both_states(session, rate_hz, vad, chunks)
    assert ours == theirs


PARAMS = st.builds(
    EffectiveVad,
    confidence=st.sampled_from([0.0, 0.5, 0.7, 1.0]),
    start_secs=st.sampled_from([0.0, 0.032, 0.048, 0.1, 0.2, 1.0]),
    stop_secs=st.sampled_from([0.0, 0.032, 0.06, 0.08, 0.2, 1.0]),
    min_volume=st.sampled_from([0.0, 0.6, 0.85]),
)
LOUD = sounds.white_noise(8_000, 1.0, level=0.1).tobytes()
LOUDNESSES = [LOUD, bytes(8_000), sounds.white_noise(8_000, 0.5, level=0.001).tobytes()]
RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.7, 1.0]), st.integers(1, 12)), min_size=1, max_size=12)


@settings(max_examples=40)
@given(PARAMS, RUNS, st.lists(st.sampled_from(LOUDNESSES), max_size=3), st.lists(st.integers(100, 900), min_size=1))
async def test_the_state_machine_equals_pipecats(
    vad: EffectiveVad, runs: list[tuple[float, int]], sections: list[bytes], sizes: list[int]
) -> None:
    confidences = [confidence for confidence, length in runs for _ in range(length)]
    chunks = sounds.cut(b"".join([LOUD, *sections]), sizes)
    analyzer = ScriptedAnalyzer(confidences, VADParams(**vad.model_dump()))
    ours = list(our_states(VoiceActivity(ScriptedScorer(confidences), vad), chunks))
    assert ours == await their_states(analyzer, chunks)


def windows(voice: VoiceActivity, count: int) -> list[VoiceEvent | None]:
    """Push so many windows of 32 ms."""
    return [voice.push(LOUD[:512]) for _ in range(count)]


def scripted(confidences: list[float], **vad: float) -> VoiceActivity:
    return VoiceActivity(ScriptedScorer(confidences), EffectiveVad.model_validate({"min_volume": 0, **vad}))


def test_speech_counts_once_it_is_confirmed() -> None:
    # 0.2 s are six windows of 32 ms, rounded.
    voice = scripted([1.0] * 20 + [0.0] * 20)
    assert windows(voice, 5) == [None] * 5
    assert (voice.state, voice.speaking) == (VoiceState.STARTING, False)
    assert windows(voice, 1) == [VoiceEvent.STARTED]
    assert windows(voice, 14 + 5) == [None] * 19
    assert (voice.state, voice.speaking) == (VoiceState.STOPPING, True)
    assert windows(voice, 1) == [VoiceEvent.STOPPED]
    assert (voice.state, voice.speaking) == (VoiceState.QUIET, False)


def test_a_dip_is_no_pause_and_a_click_no_speech() -> None:
    voice = scripted([1.0] * 5 + [0.0] + [1.0] * 6 + [0.0] * 5 + [1.0] + [0.0] * 6)
    events = windows(voice, 24)
    assert [index for index, event in enumerate(events) if event is VoiceEvent.STARTED] == [11]
    assert [index for index, event in enumerate(events) if event is VoiceEvent.STOPPED] == [23]


@pytest.mark.parametrize(("secs", "count"), [(0.0, 1), (0.01, 1), (0.06, 2), (0.08, 2), (0.09, 3), (0.2, 6)])
def test_durations_are_rounded_to_windows(secs: float, count: int) -> None:
    voice = scripted([1.0] * count + [0.0] * count, start_secs=secs, stop_secs=secs)
    events = windows(voice, 2 * count)
    quiet = [None] * (count - 1)
    assert events == [*quiet, VoiceEvent.STARTED, *quiet, VoiceEvent.STOPPED]


def test_less_than_a_window_says_nothing() -> None:
    voice = scripted([1.0], start_secs=0)
    assert voice.push(LOUD[:510]) is None
    assert voice.state is VoiceState.QUIET
    assert voice.push(LOUD[:2]) is VoiceEvent.STARTED


def test_the_scorer_is_told_when_the_caller_is_quiet() -> None:
    scorer = ScriptedScorer([0.0, 1.0, 1.0, 0.0])
    voice = VoiceActivity(scorer, EffectiveVad(min_volume=0, start_secs=0.064, stop_secs=0))
    windows(voice, 5)
    assert scorer.was_quiet == [True, True, False, False, True]


def test_no_more_audio_ends_speech() -> None:
    voice = scripted([1.0] * 6 + [0.0] * 6 + [1.0] * 6)
    assert voice.force_stop() is None
    windows(voice, 6)
    assert voice.force_stop() is VoiceEvent.STOPPED
    assert (voice.state, voice.force_stop()) == (VoiceState.QUIET, None)
    assert windows(voice, 12)[-1] is VoiceEvent.STARTED


def test_quiet_speech_does_not_count() -> None:
    confident = [1.0] * 200
    loud = VoiceActivity(ScriptedScorer(confident), EffectiveVad())
    quiet = VoiceActivity(ScriptedScorer(confident), EffectiveVad())
    whisper = sounds.white_noise(8_000, 1.0, level=0.0005).tobytes()
    assert VoiceEvent.STARTED in [loud.push(chunk) for chunk in sounds.cut(LOUD, [256])]
    assert VoiceEvent.STARTED not in [quiet.push(chunk) for chunk in sounds.cut(whisper, [256])]
