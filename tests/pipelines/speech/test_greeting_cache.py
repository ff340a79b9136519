from __future__ import annotations

from collections import OrderedDict
from dataclasses import fields

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

from pipelines.speech.greeting_cache import GreetingCache, GreetingKey, Recording, copy_frame

START_NS = 5_000_000_000


def speech(audio: bytes = b"\1\0" * 800) -> list[Frame]:
    """What a voice with word times pushes for two words."""
    sentence = AggregatedTextFrame("Hello there.", "sentence", context_id="old", raw_text="Hello there.")
    sentence.will_be_spoken = True
    sentence.append_to_context = False
    sentence.pts = START_NS - 1_000_000
    words: list[Frame] = []
    for text, offset_ns in (("Hello", 0), ("there.", 300_000_000)):
        word = TTSTextFrame(text, "word", context_id="old", raw_text=text, segment_id=sentence.id)
        word.includes_inter_frame_spaces = text == "Hello"
        word.pts = START_NS + offset_ns
        words.append(word)
    end = TTSStoppedFrame("old")
    end.pts = 0
    return [
        sentence,
        TTSStartedFrame("old"),
        words[0],
        TTSAudioRawFrame(audio, 8000, 1, context_id="old"),
        words[1],
        LLMAssistantPushAggregationFrame(),
        end,
    ]


def recording(size: int = 1600) -> Recording:
    return Recording.of([copy_frame(frame) for frame in speech(bytes(size))], START_NS)


def described(frame: Frame) -> dict[str, object]:
    """Everything about a frame but what each one has of its own."""
    own = {"id", "name", "pts", "metadata", "context_id", "segment_id"}
    return {"kind": type(frame)} | {one.name: getattr(frame, one.name) for one in fields(frame) if one.name not in own}


def test_a_replay_is_the_same_speech_at_another_time() -> None:
    spoken = speech()
    kept = Recording.of([copy_frame(frame) for frame in spoken], START_NS)
    now_ns = 77_000_000_000
    frames = list(kept.replay("new", now_ns))
    assert [described(frame) for frame in frames] == [described(frame) for frame in spoken]
    assert [frame.pts for frame in frames] == [
        frame.pts - START_NS + now_ns if frame.pts else frame.pts for frame in spoken
    ]
    assert {frame.context_id for frame in frames if hasattr(frame, "context_id")} == {"new"}
    assert {frame.segment_id for frame in frames if isinstance(frame, TTSTextFrame)} == {frames[0].id}
    assert kept.pcm == b"\1\0" * 800


def test_two_replays_share_audio_and_nothing_else() -> None:
    kept = recording()
    first, second = list(kept.replay("a", 1)), list(kept.replay("b", 2))
    assert not {frame.id for frame in first} & {frame.id for frame in second}
    for frame in first:
        frame.metadata["seen"] = True
        frame.transport_destination = "elsewhere"
    assert not any(frame.metadata or frame.transport_destination for frame in second)
    audio = [frame.audio for frame in (*first, *second) if isinstance(frame, TTSAudioRawFrame)]
    assert audio[0] is audio[1]


def test_a_recording_keeps_what_was_pushed_whatever_becomes_of_the_frames() -> None:
    spoken = speech()
    kept = Recording.of([copy_frame(frame) for frame in spoken], START_NS)
    for frame in spoken:
        frame.pts = 1
        if isinstance(frame, TTSTextFrame):
            frame.text = "changed"
    texts = [frame.text for frame in kept.replay("new", START_NS) if isinstance(frame, TTSTextFrame)]
    assert texts == ["Hello", "there."]


@pytest.mark.parametrize("other", [GreetingKey("voice", "Hi."), GreetingKey("other", "Hello."), GreetingKey("", "")])
def test_a_greeting_is_for_its_voice_and_text_alone(other: GreetingKey) -> None:
    cache = GreetingCache()
    cache.put(GreetingKey("voice", "Hello."), recording())
    assert cache.get(other) is None
    assert (cache.hits, cache.misses) == (0, 1)
    assert cache.get(GreetingKey("voice", "Hello.")) is not None
    assert (cache.hits, cache.misses) == (1, 1)


def test_a_greeting_is_made_anew_after_a_day() -> None:
    now_s = 0.0
    cache = GreetingCache(max_age_s=10, clock=lambda: now_s)
    key = GreetingKey("voice", "Hello.")
    cache.put(key, recording())
    now_s = 9.9
    assert cache.get(key) is not None
    now_s = 10.0
    assert cache.get(key) is None
    assert (cache.count, cache.size_bytes) == (0, 0)


def test_what_is_larger_than_the_bound_is_not_kept_and_drives_nothing_out() -> None:
    small = recording(1600)
    cache = GreetingCache(small.size_bytes)
    cache.put(GreetingKey("voice", "small"), small)
    cache.put(GreetingKey("voice", "large"), recording(1602))
    assert cache.get(GreetingKey("voice", "small")) is small
    GreetingCache(0).put(GreetingKey("voice", "small"), small)


def test_greetings_with_names_do_not_drive_out_the_one_in_use() -> None:
    one = recording()
    cache = GreetingCache(10 * one.size_bytes)
    fixed = GreetingKey("voice", "Welcome.")
    cache.put(fixed, one)
    for number in range(1000):
        cache.put(GreetingKey("voice", f"Hello caller {number}."), recording())
        if number % 5 == 0:
            assert cache.get(fixed) is one
    assert cache.count == 10


def test_the_default_holds_more_than_an_hour_of_telephone_audio() -> None:
    cache = GreetingCache()
    for number in range(6 * 60):
        cache.put(GreetingKey("voice", str(number)), recording(10 * 16_000))
    assert cache.count == 6 * 60
    assert cache.size_bytes <= 64 * 2**20


class AgainstAModel(RuleBasedStateMachine):
    """The cache against an ordered dictionary that is shortened by hand."""

    BOUND = 40_000
    KEYS = st.sampled_from([GreetingKey("voice", text) for text in "abcdef"])

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.cache = GreetingCache(self.BOUND, max_age_s=10, clock=lambda: self.now_s)
        self.model: OrderedDict[GreetingKey, tuple[Recording, float]] = OrderedDict()

    @rule(key=KEYS, size=st.sampled_from([2, 5_000, 20_000, 50_000]))
    def put(self, key: GreetingKey, size: int) -> None:
        made = recording(size)
        self.cache.put(key, made)
        self.model.pop(key, None)
        if made.size_bytes <= self.BOUND:
            self.model[key] = (made, self.now_s + 10)
            while sum(kept.size_bytes for kept, _ in self.model.values()) > self.BOUND:
                self.model.popitem(last=False)

    @rule(key=KEYS)
    def get(self, key: GreetingKey) -> None:
        kept, end_s = self.model.get(key, (None, 0.0))
        if kept is not None and end_s <= self.now_s:
            del self.model[key]
            kept = None
        assert self.cache.get(key) is kept
        if kept is not None:
            self.model.move_to_end(key)

    @rule(seconds=st.sampled_from([1, 6]))
    def wait(self, seconds: int) -> None:
        self.now_s += seconds

    @invariant()
    def is_within_its_bound(self) -> None:
        assert self.cache.size_bytes == sum(kept.size_bytes for kept, _ in self.model.values()) <= self.BOUND
        assert self.cache.count == len(self.model)


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


def test_looking_counts_as_nothing() -> None:
    clock = [0.0]
    cache = GreetingCache(max_age_s=10.0, clock=lambda: clock[0])
    key = GreetingKey("voice", "Hello.")
    assert key not in cache
    cache.put(key, Recording.of([TTSAudioRawFrame(bytes(320), 8000, 1)], 0))
    assert key in cache
    clock[0] = 10.0
    assert key not in cache
    assert (cache.hits, cache.misses) == (0, 0)


def test_a_recording_knows_its_rate() -> None:
    assert Recording.of([TTSAudioRawFrame(bytes(320), 24_000, 1)], 0).sample_rate_hz == 24_000
    assert Recording.of([], 0).sample_rate_hz == 0
