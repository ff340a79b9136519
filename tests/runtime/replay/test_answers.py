from __future__ import annotations

import numpy as np

from runtime.replay.activity import Span
from runtime.replay.answers import answers_of, judge_answers
from runtime.replay.content import References, SoundKind
from runtime.replay.record import CallRecord, HeardAudio
from runtime.replay.utterance import utterance_of
from tests.runtime.replay.runs import answered, record, run
from tests.standins.audio import signature

SAID, OTHER = "How can I help you today?", "Goodbye, and thank you for calling."


def heard(index: int, *texts: str, limit_bytes: int = 1_000_000) -> CallRecord:
    """A call in which the stand-in said some texts, a second of silence before each."""
    audio, spans, at_ms = HeardAudio(8000, limit_bytes), [], 0.0
    for text in texts:
        pcm = signature(text, 8000)
        for piece in (bytes(16_000), pcm):
            for at in range(0, len(piece), 320):
                audio.add(piece[at : at + 320])
        end_ms = at_ms + 1000 + len(pcm) / 16
        spans.append(Span(at_ms + 1000, end_ms))
        at_ms = end_ms
    return CallRecord(index=index, heard=audio, bot_speech=spans)


def references(*texts: str) -> References:
    return References([utterance_of(it, np.frombuffer(signature(it, 8000), "<i2"), 8000, 8000) for it in texts])


def test_what_the_stand_in_says_is_told_apart() -> None:
    right, wrong = heard(0, SAID, SAID), heard(1, OTHER)
    answers = judge_answers([right, wrong, CallRecord(index=2)], references(SAID, "Something else altogether."))
    assert [(answer.call, answer.expected) for answer in answers] == [(0, True), (0, True), (1, False)]
    assert {answer.kind for answer in answers} == {SoundKind.TONE}
    figures = answers_of(answers)
    assert (figures["stretches"], figures["judged"], figures["tone"], figures["speech"]) == (3, 3, 3, 0)
    assert (figures["compared"], figures["mismatched"], figures["heard"]) == (3, 1, {SAID: 2})
    assert [(it["call"], it["at_ms"]) for it in figures["mismatches"]] == [(2, 1000.0)]


def test_without_references_nothing_is_expected() -> None:
    (answer,) = judge_answers([heard(0, SAID)], None)
    assert answer.expected is None
    figures = answers_of([answer])
    assert (figures["compared"], figures["mismatched"], figures["similarity"]) == (0, 0, None)


def test_what_was_not_kept_is_not_judged() -> None:
    kept = len(signature(SAID, 8000))
    assert len(judge_answers([heard(0, SAID, SAID, limit_bytes=kept + 100)], None)) == 1


def test_what_is_too_short_is_not_counted_as_judged() -> None:
    figures = answers_of(answered(run(record())).answers)
    assert (figures["stretches"], figures["judged"], figures["too short"], figures["compared"]) == (3, 2, 1, 2)
    assert figures["similarity"] == 0.69
