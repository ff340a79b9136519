"""Splitting documents into passages, along their headings and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adapters.knowledge.sections import Section
from models.rag import Passage

PASSAGE_CHARACTERS = 1200
"""Longest passage. Five of them are what a model can read before it answers a caller."""
OVERLAP_CHARACTERS = 150
"""How much of the passage before is repeated where a section had to be cut, so that no sentence loses its beginning."""

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile("(?<=[.!?\u2026\u3002\uff01\uff1f])\\s+")


def passages(
    sections: Iterable[Section], *, longest: int = PASSAGE_CHARACTERS, overlap: int = OVERLAP_CHARACTERS
) -> Iterator[Passage]:
    """Split sections into passages.

    No passage crosses a heading or a page. Within a section paragraphs are kept together as far as they fit, and cut at
    the end of a sentence, else of a word, where one alone is too long.

    Args:
        sections: The document.
        longest: Most characters of a passage.
        overlap: Most characters that a passage repeats of the one before in the same section; less than ``longest``.
    """
    for section in sections:
        before = ""
        for text in _packed(list(_pieces(section.text, longest - overlap - 1)), longest - overlap - 1):
            tail = _tail(before, overlap)
            yield Passage(
                text=f"{tail} {text}" if tail else text, section=" > ".join(section.headings), page=section.page
            )
            before = text


def _pieces(text: str, longest: int) -> Iterator[str]:
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE_END.split(paragraph.strip()):
            left = sentence.strip()
            while len(left) > longest:
                space = max(left.rfind(blank, 1, longest + 1) for blank in " \n\t")
                cut = space if space > 0 else longest
                yield left[:cut].strip()
                left = left[cut:].strip()
            if left:
                yield left


def _packed(pieces: list[str], longest: int) -> Iterator[str]:
    packed = ""
    for piece in pieces:
        if packed and len(packed) + 1 + len(piece) > longest:
            yield packed
            packed = piece
        else:
            packed = f"{packed} {piece}" if packed else piece
    if packed:
        yield packed


def _tail(text: str, longest: int) -> str:
    """The end of a text, from the beginning of a sentence or at least of a word."""
    if not text or longest <= 0:
        return ""
    if len(text) <= longest:
        return text
    tail = text[-longest:]
    sentence = _SENTENCE_END.search(tail)
    if sentence is not None:
        return tail[sentence.end() :]
    return tail[tail.find(" ") + 1 :] if " " in tail else ""
