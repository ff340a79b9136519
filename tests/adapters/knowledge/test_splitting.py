from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.knowledge.sections import Section
from adapters.knowledge.splitting import passages


def test_a_short_section_stays_whole() -> None:
    (passage,) = passages([Section("One. Two.\n\nThree.", ("A", "B"), 4)])
    assert (passage.text, passage.section, passage.page) == ("One. Two. Three.", "A > B", 4)


def test_a_long_section_is_cut_between_sentences_and_repeats_the_last_one() -> None:
    sentences = [f"Sentence number {number} says something." for number in range(30)]
    found = list(passages([Section(" ".join(sentences))], longest=200, overlap=50))
    assert len(found) > 3
    assert all(len(passage.text) <= 200 for passage in found)
    for before, after in pairwise(found):
        assert after.text.split(". ")[0].rstrip(".") in before.text
        assert after.text.startswith("Sentence")


@given(
    st.lists(st.sampled_from([" ", ". ", "! ", "\n\n", "\n"]), max_size=120), st.integers(20, 80), st.integers(0, 15)
)
def test_no_word_is_lost_and_no_passage_too_long(gaps: list[str], longest: int, overlap: int) -> None:
    text = "".join(f"{number}{gap}" for number, gap in enumerate(gaps))
    found = list(passages([Section(text)], longest=longest, overlap=overlap))
    assert all(0 < len(passage.text) <= longest for passage in found)
    heard = -1
    for passage in found:
        numbers = [int(word.strip(".!")) for word in passage.text.split()]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        # It begins where the one before ended, or repeats a part of it, and adds something.
        assert numbers[0] <= heard + 1 <= numbers[-1]
        heard = numbers[-1]
    assert heard == len(gaps) - 1


@given(st.text(alphabet="ab", min_size=1, max_size=300))
def test_a_word_longer_than_a_passage_is_cut(word: str) -> None:
    found = list(passages([Section(word)], longest=40, overlap=0))
    assert "".join(passage.text for passage in found) == word
