"""The patterns of a script: what a caller may say, written as phrases.

A pattern is words with three additions: ``(a | b c)`` alternatives, ``[a]`` something optional, ``{name}`` a slot. Case
and punctuation do not count. ``/…/`` around the whole pattern makes it a regular expression instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

MAX_PHRASES = 500
"""Most phrases that one pattern may stand for."""

MAX_SLOT_WORDS = 6
"""Longest value of a slot that takes any words."""

_TOKEN = re.compile(r"\s*(?:([()\[\]|])|\{\s*([a-z][a-z0-9_]*)\s*\}|([^\s()\[\]|{}]+))", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_CURLY = "\N{RIGHT SINGLE QUOTATION MARK}"


def normalize(text: str) -> str:
    """Reduce what was said to what patterns are compared with: lower-case words with single blanks between them."""
    return " ".join(_WORD.findall(text.lower().replace(_CURLY, "'")))


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern that fits what was said.

    Attributes:
        whole: Whether it fits all of it, and not only a part.
        slots: The words that stood in each slot.
    """

    whole: bool
    slots: Mapping[str, str]


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern.

    Args:
        source: The pattern as written.
        slots: The values of each slot; none for a slot that takes any one to `MAX_SLOT_WORDS` words.

    Raises:
        ValueError: The pattern is malformed, names an unknown slot or one slot twice, or stands for more than
            `MAX_PHRASES` phrases.
    """

    source: str
    slots: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        _ = self._regex
        if len(self.phrases) > MAX_PHRASES:
            raise ValueError("stands for too many phrases")

    def match(self, text: str) -> Match | None:
        """Compare with what was said.

        Args:
            text: What was said, as the recogniser wrote it.

        Returns:
            The match with all of it, else with a part of it that begins and ends between words, else None.
        """
        said = f"{normalize(text)} "
        if (found := self._regex.fullmatch(said)) is not None:
            return Match(True, _groups(found))
        if (found := self._part.search(said)) is not None:
            return Match(False, _groups(found))
        return None

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase that the pattern stands for, normalized; none for a regular expression or with a free slot."""
        if _is_regex(self.source):
            return ()
        return tuple(dict.fromkeys(phrase for phrase in map(" ".join, self._tree.expand(self.slots)) if phrase))

    @cached_property
    def _tree(self) -> _Sequence:
        tree = _Parser(self.source).parse()
        names = list(tree.slot_names())
        if len(set(names)) < len(names):
            raise ValueError("has the same slot twice")
        if any(name not in self.slots for name in names):
            raise ValueError("has a slot that the script does not define")
        if tree.can_be_empty():
            raise ValueError("would match anything, for all of it is optional")
        return tree

    @cached_property
    def _expression(self) -> str:
        return self.source[1:-1] if _is_regex(self.source) else self._tree.expression(self.slots)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        try:
            return re.compile(rf"(?:{self._expression})\s*")
        except re.error:
            raise ValueError("is not a valid regular expression") from None

    @cached_property
    def _part(self) -> re.Pattern[str]:
        # A regular expression sets its own bounds; everything else begins where a word begins.
        return self._regex if _is_regex(self.source) else re.compile(rf"(?:^|(?<= ))(?:{self._expression})")


def _is_regex(source: str) -> bool:
    return len(source) > 2 and source.startswith("/") and source.endswith("/")


def _groups(found: re.Match[str]) -> dict[str, str]:
    return {name: value.strip() for name, value in found.groupdict().items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Word:
    text: str

    def expression(self, slots: Mapping[str, Sequence[str]]) -> str:
        del slots
        return re.escape(self.text) + " "

    def expand(self, slots: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
        del slots
        return [(self.text,)]

    def slot_names(self) -> tuple[str, ...]:
        return ()

    def can_be_empty(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str

    def expression(self, slots: Mapping[str, Sequence[str]]) -> str:
        # Longest first, since a regular expression takes the first alternative that fits.
        values = sorted(map(normalize, slots[self.name]), key=len, reverse=True)
        inside = "|".join(re.escape(value) + " " for value in values) or rf"(?:\S+ ){{1,{MAX_SLOT_WORDS}}}?"
        return f"(?P<{self.name}>{inside})"

    def expand(self, slots: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
        return [(normalize(value),) for value in slots[self.name]]

    def slot_names(self) -> tuple[str, ...]:
        return (self.name,)

    def can_be_empty(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[_Sequence, ...]
    optional: bool

    def expression(self, slots: Mapping[str, Sequence[str]]) -> str:
        return f"(?:{'|'.join(option.expression(slots) for option in self.options)}){'?' if self.optional else ''}"

    def expand(self, slots: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
        phrases = [phrase for option in self.options for phrase in option.expand(slots)]
        return [*phrases, ()] if self.optional else phrases

    def slot_names(self) -> tuple[str, ...]:
        return tuple(name for option in self.options for name in option.slot_names())

    def can_be_empty(self) -> bool:
        return self.optional or any(option.can_be_empty() for option in self.options)


@dataclass(frozen=True, slots=True)
class _Sequence:
    items: tuple[_Word | _Slot | _Choice, ...]

    def expression(self, slots: Mapping[str, Sequence[str]]) -> str:
        return "".join(item.expression(slots) for item in self.items)

    def expand(self, slots: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
        phrases: list[tuple[str, ...]] = [()]
        for item in self.items:
            phrases = [(*head, *tail) for head, tail in product(phrases, item.expand(slots))]
            # Checked on the way, so that a pattern of many choices is refused before it is built.
            if len(phrases) > MAX_PHRASES:
                raise ValueError("stands for too many phrases")
        return phrases

    def slot_names(self) -> tuple[str, ...]:
        return tuple(name for item in self.items for name in item.slot_names())

    def can_be_empty(self) -> bool:
        return all(item.can_be_empty() for item in self.items)


class _Parser:
    """Reads one pattern by recursive descent."""

    def __init__(self, source: str) -> None:
        self._source = source.rstrip()
        self._at = 0

    def parse(self) -> _Sequence:
        tree = self._sequence("")
        if self._at < len(self._source):
            raise ValueError("has a bracket or bar in the wrong place")
        return tree

    def _sequence(self, closing: str) -> _Sequence:
        items: list[_Word | _Slot | _Choice] = []
        while self._at < len(self._source):
            token = _TOKEN.match(self._source, self._at)
            if token is None:
                raise ValueError("has a malformed slot")
            mark, slot, words = token.groups()
            if mark in (")", "]", "|"):
                if not closing:
                    raise ValueError("has a bracket or bar in the wrong place")
                break
            self._at = token.end()
            if slot:
                items.append(_Slot(slot.lower()))
            elif mark:
                items.append(self._choice(")" if mark == "(" else "]"))
            else:
                items.extend(map(_Word, normalize(words).split()))
        return _Sequence(tuple(items))

    def _choice(self, closing: str) -> _Choice:
        options: list[_Sequence] = []
        while True:
            options.append(self._sequence(closing))
            token = _TOKEN.match(self._source, self._at)
            mark = token.group(1) if token else None
            if token is None or mark not in (closing, "|"):
                raise ValueError("has a bracket that is not closed")
            self._at = token.end()
            if mark == closing:
                return _Choice(tuple(options), optional=closing == "]")
