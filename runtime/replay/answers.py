"""Judges what the bot said in a run: whether each stretch of it is speech, and whether a reference says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.replay.content import Match, References, SoundKind, sound_kind
from runtime.replay.record import CallRecord

SAME_SHARE: Final = 0.5
"""A stretch of which this share is found in the references is what was expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One stretch of the bot's speech, without a pause.

    Attributes:
        call: Which of the calls, from 0.
        at_ms: When it began, milliseconds since the opening of the stream.
        kind: What it sounds like.
        match: Where it is found in the references; None without references, or when it is too short to tell.
    """

    call: int
    at_ms: float
    kind: SoundKind
    match: Match | None = None

    @property
    def expected(self) -> bool | None:
        """Whether it is what a reference says; None when that is not known."""
        return None if self.match is None else self.match.share >= SAME_SHARE


def judge_answers(records: Sequence[CallRecord], references: References | None) -> list[Answer]:
    """Judge all that the bot said, where the records keep it.

    Args:
        records: The calls.
        references: What the bot may say; None when nobody knows.
    """
    answers = []
    for record in records:
        heard = record.heard
        if heard is None:
            continue
        for span in record.bot_speech:
            if span.end_ms > heard.end_ms:
                break
            samples = heard.between(span.start_ms, span.end_ms)
            kind = sound_kind(samples, heard.sample_rate_hz)
            match = references.match(samples, heard.sample_rate_hz) if references else None
            answers.append(Answer(record.index, span.start_ms, kind, match))
    return answers


def answers_of(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the figures of the report."""
    kinds = Counter(answer.kind for answer in answers)
    matches = [answer.match for answer in answers if answer.match]
    mismatched = [answer for answer in answers if answer.expected is False]
    labels = Counter(answer.match.label for answer in answers if answer.match and answer.expected)
    return {
        "stretches": len(answers),
        "judged": len(answers) - kinds[SoundKind.SHORT],
        **{str(kind): kinds[kind] for kind in SoundKind},
        "compared": len(matches),
        "mismatched": len(mismatched),
        "similarity": round(sum(match.similarity for match in matches) / len(matches), 3) if matches else None,
        "heard": dict(labels),
        "mismatches": [
            {
                "call": answer.call + 1,
                "at_ms": round(answer.at_ms, 1),
                "kind": answer.kind,
                "similarity": round(answer.match.similarity, 3) if answer.match else None,
            }
            for answer in mismatched
        ],
    }
