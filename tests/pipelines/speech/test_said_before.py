import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.speech.said_before import SaidBefore

SAID = "We are open on Monday, and"


def fed(said: str, *pieces: str) -> str:
    before = SaidBefore(said)
    return "".join(before.rest(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("pieces", "rest"),
    [
        pytest.param((SAID, " on Friday."), " on Friday.", id="repeated"),
        pytest.param((f"{SAID} on Friday.",), " on Friday.", id="repeated in one piece"),
        pytest.param(("we are open", " on monday and on", " Friday."), " on Friday.", id="other punctuation"),
        pytest.param((" on Friday.",), " on Friday.", id="gone on"),
        pytest.param(("on Friday.",), " on Friday.", id="gone on without a space"),
        pytest.param((", by the way, on Friday.",), ", by the way, on Friday.", id="gone on with a comma"),
        pytest.param(("We", " close then."), " We close then.", id="the same first word"),
        pytest.param((SAID,), "", id="nothing new"),
        pytest.param(("We are",), "", id="less than before"),
        pytest.param((), "", id="nothing"),
    ],
)
def test_what_was_said_is_not_said_again(pieces: tuple[str, ...], rest: str) -> None:
    assert fed(SAID, *pieces) == rest


def test_nothing_was_said() -> None:
    assert fed("", "We are", " open.") == "We are open."


WORDS = st.lists(st.text("abcdé", min_size=1, max_size=4), max_size=12).map(" ".join)


@given(WORDS, WORDS, st.data())
def test_however_the_repetition_is_cut(said: str, rest: str, data: st.DataObject) -> None:
    whole = f"{said} {rest}"
    pieces, at = [], 0
    while at < len(whole):
        size = data.draw(st.integers(1, 8))
        pieces.append(whole[at : at + size])
        at += size
    letters = re.sub(r"\W", "", fed(said, *pieces))
    assert letters == rest.replace(" ", "")
