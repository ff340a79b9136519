"""What a question is about: the words to look for, in any language that separates words."""

from __future__ import annotations

import re
import unicodedata

MOST_TERMS = 16
"""Most words of a question that are looked for: the longest ones, which say most."""

_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 3
_SHORTEST_TO_CUT = 5
_SHORTEST_TO_CUT_TWICE = 8


def words(text: str) -> list[str]:
    """Return the words of a text in their order, without case and diacritics: letters and digits only."""
    # Twice, since taking a sign apart may bring capital letters to light.
    folded = unicodedata.normalize("NFKD", text.casefold()).casefold()
    return _WORD.findall("".join(mark for mark in folded if not unicodedata.combining(mark)))


def terms(query: str) -> list[str]:
    """Return the beginnings of words to look for, in the order of the question.

    What is left of a word when its ending is cut off finds its other forms ("hour" for "hours", "reserv" for
    "reserved"), without a table of any language. Nothing but letters and digits is in them, so that they can stand in
    any query language.
    """
    said = words(query)
    # The shortest words are articles and prepositions, in most languages.
    telling = [word for word in said if len(word) >= _SHORTEST or word.isdigit()]
    found = dict.fromkeys(_stem(word) for word in telling or said)
    if len(found) > MOST_TERMS:
        longest = set(sorted(found, key=len, reverse=True)[:MOST_TERMS])
        return [term for term in found if term in longest]
    return list(found)


def _stem(word: str) -> str:
    if word.isdigit() or len(word) < _SHORTEST_TO_CUT:
        return word
    return word[:-2] if len(word) >= _SHORTEST_TO_CUT_TWICE else word[:-1]
