"""The transcription logic, without a socket."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standins.audio import encode, signature
from tests.standins.base import HttpError
from tests.standins.deepgram_listen import Listener, ListenOptions

RATE_HZ = 8000
SPEECH = signature("x" * 15, RATE_HZ)
QUERY = {"encoding": "linear16", "sample_rate": str(RATE_HZ), "interim_results": "true"}


def silence(seconds):
    return bytes(int(seconds * RATE_HZ) * 2)


def listener(texts=("one two three four", "five six"), **query):
    texts = iter(texts)
    return Listener(ListenOptions.parse(QUERY | query, 0.5), "id", lambda: next(texts))


def said(messages, *, final=True):
    results = [m for m in messages if m["type"] == "Results" and m["is_final"] is final]
    return [m["channel"]["alternatives"][0]["transcript"] for m in results]


def test_finalize_makes_what_was_heard_final():
    heard = listener()
    interims = said(heard.hear(SPEECH), final=False)
    assert interims[0] == "one"
    assert interims[-1] == "one two three"
    assert all(later.startswith(earlier) for earlier, later in pairwise(interims))
    (final,) = heard.finalize()
    assert (final["is_final"], final["speech_final"], final["from_finalize"]) == (True, True, True)
    assert final["channel"]["alternatives"][0]["transcript"] == "one two three four"
    words = final["channel"]["alternatives"][0]["words"]
    assert words[0]["start"] == 0
    assert words[-1]["end"] == pytest.approx(1.0, abs=0.03)
    assert said(heard.hear(SPEECH) + heard.finalize()) == ["five six"]


def test_silence_is_transcribed_as_nothing():
    heard = listener()
    messages = heard.hear(silence(7))
    assert said(messages) == ["", ""]
    assert said(messages, final=False) == []
    assert said(heard.finalize()) == [""]
    assert heard.flush() == []


def test_a_click_is_not_speech():
    heard = listener()
    assert said(heard.hear(SPEECH[: RATE_HZ // 25] + silence(1)), final=False) == []
    assert said(heard.finalize()) == [""]


def test_endpointing_ends_an_utterance_once():
    heard = listener()
    messages = heard.hear(SPEECH + silence(0.48))
    assert said(messages) == []
    (final,) = heard.hear(silence(0.02))
    assert final["speech_final"]
    assert not final["from_finalize"]
    assert said(heard.finalize()) == [""]
    assert said(listener(endpointing="100").hear(SPEECH + silence(0.1))) == ["one two three four"]
    assert said(listener(endpointing="false").hear(SPEECH + silence(9))) == []


def test_closing_delivers_the_last_words():
    heard = listener()
    heard.hear(SPEECH)
    assert said(heard.flush()) == ["one two three four"]


def test_optional_events_come_when_asked_for():
    heard = listener(vad_events="true", utterance_end_ms="1000", interim_results="false")
    messages = heard.hear(silence(0.5) + SPEECH + silence(2))
    assert [m["type"] for m in messages] == ["SpeechStarted", "Results", "UtteranceEnd"]
    assert messages[0]["timestamp"] == pytest.approx(0.5)
    assert messages[2]["last_word_end"] == pytest.approx(1.5, abs=0.03)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40), st.sampled_from(["linear16", "mulaw", "alaw"]))
def test_how_the_audio_is_cut_makes_no_difference(sizes, encoding):
    audio = encode(silence(0.1) + SPEECH[: RATE_HZ * 2 // 5] + silence(0.6) + SPEECH[: RATE_HZ // 5], encoding)
    whole, pieces, messages, at = listener(encoding=encoding), listener(encoding=encoding), [], 0
    while at < len(audio):
        for size in sizes:
            messages += pieces.hear(audio[at : at + size])
            at += size
    assert messages + pieces.flush() == whole.hear(audio) + whole.flush()


@given(st.lists(st.sampled_from(["speech", "silence", "finalize"]), max_size=12))
def test_every_utterance_is_final_exactly_once_and_in_order(steps):
    texts = [f"utterance {n}" for n in range(20)]
    heard, finals, told = listener(texts), [], 0
    for step in [*steps, "finalize"]:
        if step == "finalize":
            finals += said(heard.finalize())
        else:
            finals += said(heard.hear(SPEECH[:8000] if step == "speech" else silence(0.6)))
    told = len([text for text in finals if text])
    assert [text for text in finals if text] == texts[:told]
    assert (told == 0) == ("speech" not in steps)


@pytest.mark.parametrize(
    "query",
    [{"encoding": "opus"}, {"sample_rate": "x"}, {"sample_rate": "100"}, {"channels": "2"}, {"endpointing": "soon"}],
)
def test_bad_queries_are_refused(query):
    with pytest.raises(HttpError) as refused:
        ListenOptions.parse(QUERY | query, None)
    assert refused.value.status == 400


def test_noise_below_the_threshold_is_silence():
    noise = np.random.default_rng(1).integers(-200, 200, RATE_HZ).astype("<i2").tobytes()
    assert said(listener().hear(noise), final=False) == []
