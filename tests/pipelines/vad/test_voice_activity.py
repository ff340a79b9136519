import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams

from models.vad import EffectiveVad
from pipelines.vad.silero import SileroSession, SileroState
from pipelines.vad.voice_activity import VoiceActivity, VoiceEvent, VoiceState
from tests.pipelines import sounds

ZEROS = EffectiveVad(confidence=0, start_secs=0, stop_secs=0, min_volume=0)
RATES = [8_000, 16_000]


class ScriptedAnalyzer(VADAnalyzer):
    """Pipecat's own state machine over a list of confidences."""

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


def judge(voice: VoiceActivity, window: bytes, confidence: float) -> str:
    """Judge a window; what is told fits what changed."""
    before = voice.speaking
    event = voice.judge(window, confidence)
    if voice.speaking != before:
        assert event is (VoiceEvent.STARTED if voice.speaking else VoiceEvent.STOPPED)
    else:
        assert event in (None, VoiceEvent.PAUSED, VoiceEvent.RESUMED)
    return voice.state.name


async def their_states(analyzer: VADAnalyzer, chunks: list[bytes]) -> list[str]:
    states = [(await analyzer.analyze_audio(chunk)).name for chunk in chunks]
    await analyzer.cleanup()
    return states


def made(rate_hz: int, vad: EffectiveVad) -> tuple[VoiceActivity, SileroState]:
    state = SileroState(rate_hz)
    return VoiceActivity(vad, sample_rate_hz=rate_hz, window_samples=state.window_samples), state


async def both_states(session: SileroSession, rate_hz: int, vad: EffectiveVad) -> tuple[list[str], list[str]]:
    """Both, window by window, over speech, noise, music and silence."""
    analyzer = SileroVADAnalyzer(sample_rate=rate_hz, params=VADParams(**vad.model_dump()))
    analyzer.set_sample_rate(rate_hz)
    voice, state = made(rate_hz, vad)
    windows = sounds.cut(sounds.call(rate_hz), [state.window_samples])[:-1]
    ours = []
    for window in windows:
        (confidence,) = session.score([state], [window])
        state.scored(confidence, quiet=voice.quiet)
        ours.append(judge(voice, window, confidence))
    return ours, await their_states(analyzer, windows)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize(
    "vad",
    [
        EffectiveVad(),
        ZEROS,
        EffectiveVad(start_secs=0, stop_secs=0),
        EffectiveVad(confidence=0.3, min_volume=0.4, start_secs=0.1, stop_secs=0.8),
        EffectiveVad(min_volume=0.75),
        EffectiveVad(confidence=1.0, min_volume=1.0),
    ],
    ids=["default", "zeros", "no windows", "eager", "loud only", "deaf"],
)
async def test_verdicts_equal_pipecats(session: SileroSession, rate_hz: int, vad: EffectiveVad) -> None:
    ours, theirs = await both_states(session, rate_hz, vad)
    assert ours == theirs
    if vad == EffectiveVad():
        # Says that there was something to compare: three utterances, each begun and ended.
        speaking = [state in ("SPEAKING", "STOPPING") for state in ours]
        assert sum(now and not before for before, now in itertools.pairwise(speaking)) >= 3


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
@given(PARAMS, RUNS, st.lists(st.sampled_from(LOUDNESSES), max_size=3))
async def test_the_state_machine_equals_pipecats(
    vad: EffectiveVad, runs: list[tuple[float, int]], sections: list[bytes]
) -> None:
    confidences = [confidence for confidence, length in runs for _ in range(length)]
    windows = [chunk for chunk in sounds.cut(b"".join([LOUD, *sections]), [256]) if len(chunk) == 512]
    analyzer = ScriptedAnalyzer(confidences, VADParams(**vad.model_dump()))
    voice = VoiceActivity(vad, sample_rate_hz=8_000, window_samples=256)
    scripted = itertools.chain(confidences, itertools.repeat(0.0))
    ours = [judge(voice, window, confidence) for window, confidence in zip(windows, scripted, strict=False)]
    assert ours == await their_states(analyzer, windows)


def events(confidences: list[float], **vad: float) -> list[tuple[int, VoiceEvent]]:
    """What is told of windows with these confidences: the number of the window and what."""
    voice = VoiceActivity(
        EffectiveVad.model_validate({"min_volume": 0, **vad}), sample_rate_hz=8_000, window_samples=256
    )
    told = [(number, voice.judge(LOUD[:512], confidence)) for number, confidence in enumerate(confidences, 1)]
    return [(number, event) for number, event in told if event is not None]


def test_speech_counts_once_it_is_confirmed() -> None:
    # 0.2 s are six windows of 32 ms, rounded; 0.1 s are three.
    assert events([1.0] * 20 + [0.0] * 20) == [
        (6, VoiceEvent.STARTED),
        (23, VoiceEvent.PAUSED),
        (26, VoiceEvent.STOPPED),
    ]


def test_a_dip_is_no_pause_and_a_click_no_speech() -> None:
    assert events([1.0] * 5 + [0.0] + [1.0] * 6 + [0.0] * 2 + [1.0] + [0.0] * 6) == [
        (12, VoiceEvent.STARTED),
        (18, VoiceEvent.PAUSED),
        (21, VoiceEvent.STOPPED),
    ]


def test_a_pause_is_over_when_the_caller_goes_on() -> None:
    assert events([1.0] * 6 + [0.0] * 5 + [1.0] * 3 + [0.0] * 3 + [1.0]) == [
        (6, VoiceEvent.STARTED),
        (9, VoiceEvent.PAUSED),
        (12, VoiceEvent.RESUMED),
        (17, VoiceEvent.PAUSED),
        (18, VoiceEvent.RESUMED),
    ]


@pytest.mark.parametrize("stop_secs", [0.0, 0.05, 0.1])
def test_no_pause_where_the_silence_window_is_as_short(stop_secs: float) -> None:
    told = events([1.0] * 6 + [0.0] * 6, stop_secs=stop_secs)
    assert [event for _, event in told] == [VoiceEvent.STARTED, VoiceEvent.STOPPED]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=20))
def test_pauses_come_within_speech_and_one_at_a_time(runs: list[tuple[bool, int]]) -> None:
    told = [event for _, event in events([float(voice) for voice, length in runs for _ in range(length)])]
    follows = {
        None: {VoiceEvent.STARTED},
        VoiceEvent.STARTED: {VoiceEvent.PAUSED},
        VoiceEvent.PAUSED: {VoiceEvent.RESUMED, VoiceEvent.STOPPED},
        VoiceEvent.RESUMED: {VoiceEvent.PAUSED},
        VoiceEvent.STOPPED: {VoiceEvent.STARTED},
    }
    for before, after in itertools.pairwise([None, *told]):
        assert after in follows[before]


@pytest.mark.parametrize(("secs", "count"), [(0.0, 1), (0.01, 1), (0.06, 2), (0.08, 2), (0.09, 3), (0.2, 6)])
def test_durations_are_rounded_to_windows(secs: float, count: int) -> None:
    told = events([1.0] * count + [0.0] * count, start_secs=secs, stop_secs=secs)
    assert [it for it in told if it[1] is not VoiceEvent.PAUSED] == [
        (count, VoiceEvent.STARTED),
        (2 * count, VoiceEvent.STOPPED),
    ]


def test_no_more_audio_ends_speech() -> None:
    voice = VoiceActivity(EffectiveVad(min_volume=0), sample_rate_hz=8_000, window_samples=256)
    assert voice.force_stop() is None
    for _ in range(6):
        voice.judge(LOUD[:512], 1.0)
    assert voice.force_stop() is VoiceEvent.STOPPED
    assert (voice.state, voice.force_stop(), voice.quiet) == (VoiceState.QUIET, None, True)
    assert [voice.judge(LOUD[:512], 1.0) for _ in range(6)][-1] is VoiceEvent.STARTED


def test_quiet_speech_does_not_count() -> None:
    whisper = sounds.white_noise(8_000, 1.0, level=0.0005).tobytes()
    for sound, counts in ((LOUD, True), (whisper, False)):
        voice = VoiceActivity(EffectiveVad(), sample_rate_hz=8_000, window_samples=256)
        told = [voice.judge(window, 1.0) for window in sounds.cut(sound, [256]) if len(window) == 512]
        assert (VoiceEvent.STARTED in told) is counts


@given(
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.floats(0.01, 0.3),
    st.lists(st.sampled_from([0.0, 0.0, 1.0, 1.0, 1.0]), min_size=1, max_size=60),
)
def test_nothing_is_told_before_the_soonest_window(
    start_secs: float, stop_secs: float, pause_secs: float, confidences: list[float]
) -> None:
    vad = EffectiveVad(confidence=0.5, start_secs=start_secs, stop_secs=stop_secs, min_volume=0)
    voice = VoiceActivity(vad, sample_rate_hz=8_000, window_samples=256, pause_secs=pause_secs)
    soonest = voice.soonest
    for number, confidence in enumerate(confidences, 1):
        event = voice.judge(bytes(512), confidence)
        assert event is None or number >= soonest
        if event is None:
            # What was foreseen is put off at most: who has an older foresight is too careful and never too late.
            assert number + voice.soonest >= soonest
        soonest = number + voice.soonest


@pytest.mark.parametrize("voiced", [True, False])
def test_the_soonest_window_is_no_later_than_it_could_be(voiced: bool) -> None:
    voice = VoiceActivity(EffectiveVad(min_volume=0), sample_rate_hz=8_000, window_samples=256)
    if not voiced:
        while not voice.speaking:
            voice.judge(bytes(512), 1.0)
    soonest = voice.soonest
    assert soonest > 1
    events = [voice.judge(bytes(512), float(voiced)) for _ in range(soonest)]
    assert events[:-1] == [None] * (soonest - 1)
    assert events[-1] is not None
