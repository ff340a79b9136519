"""The sections of documents, as their headings make them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_FENCE = re.compile(r"(```|~~~)")


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading and on one page.

    Attributes:
        text: The text.
        headings: The headings above it, outermost first.
        page: As in `models.rag.Passage`.
    """

    text: str
    headings: tuple[str, ...] = ()
    page: int = 0


def markdown_sections(text: str) -> Iterator[Section]:
    """Yield the sections of a Markdown document (ATX headings; those inside code fences are none)."""
    headings: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line.strip())
        if mark is not None and fence in {"", mark[1]}:
            fence = "" if fence else mark[1]
        found = None if fence else _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        yield from _section(lines, headings)
        lines, level = [], len(found[1])
        headings = [*((depth, title) for depth, title in headings if depth < level), (level, found[2])]
    yield from _section(lines, headings)


def _section(lines: list[str], headings: list[tuple[int, str]]) -> Iterator[Section]:
    text = "\n".join(lines).strip()
    if text:
        yield Section(text, tuple(title for _, title in headings))
