import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.store.knowledge.terms import MOST_TERMS, terms, words


def test_case_diacritics_and_signs_do_not_count() -> None:
    assert words("Über-Größe: CAFÉ №5!") == ["uber", "grosse", "cafe", "no5"]


def test_endings_are_cut_off() -> None:
    assert terms("What are your opening hours?") == ["what", "are", "your", "openin", "hour"]
    assert terms("reserved reserving")[0] == terms("reserved")[0]
    assert terms("hour 2024 2024") == ["hour", "2024"]


def test_of_a_long_question_the_longest_words_are_kept() -> None:
    found = terms(" ".join(f"w{'x' * number}" for number in range(40)))
    assert len(found) == MOST_TERMS
    assert min(map(len, found)) > 20


@given(st.text())
def test_nothing_but_letters_and_digits_is_looked_for(query: str) -> None:
    found = terms(query)
    assert len(found) <= MOST_TERMS
    assert all(re.fullmatch(r"[^\W_]+", term) for term in found)
    assert len(set(found)) == len(found)
