import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.llm.script_pattern import MAX_PHRASES, MAX_SLOT_WORDS, Pattern, normalize

SLOTS = {"day": ["monday", "tuesday", "tuesday morning"], "name": []}

word = st.sampled_from(["a", "open", "it's", "hours", "you", "zwölf", "42"])
phrase = st.lists(word, min_size=1, max_size=3).map(" ".join)
pattern = st.recursive(
    phrase,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda options: f"({' | '.join(options)})")
        | inner.map(lambda option: f"[{option}]")
        | st.tuples(inner, inner).map(" ".join)
    ),
    max_leaves=6,
)


def whole(source: str, text: str) -> bool:
    match = Pattern(source, SLOTS).match(text)
    return match is not None and match.whole


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("goodbye", "Goodbye!"),
        ("goodbye", "  GOODBYE  "),
        ("what is your address", "What is your address?"),
        ("(book|make) an appointment [please]", "book an appointment"),
        ("(book|make) an appointment [please]", "Make an appointment, please."),
        ("[well] (a | [very] b) c", "b c"),
        ("[well] (a | [very] b) c", "well very b c"),
        ("it's (fine)", "it\N{RIGHT SINGLE QUOTATION MARK}s fine"),
        ("a check-up", "a check up"),
        ("open on {day}", "open on Tuesday morning"),
        ("open on { day }", "open on monday"),
        ("my name is {name}", "My name is Ada King of Lovelace"),
        (r"/(book|make) .* appointment/", "make me an early appointment"),
        (r"/\d+ euros?/", "85 euros"),
    ],
)
def test_fits(source: str, text: str) -> None:
    assert whole(source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("goodbye", "good bye"),
        ("goodbye", ""),
        ("a b", "ab"),
        ("open", "reopen the door"),
        ("open", "openly"),
        ("(a|b) c", "c"),
        ("open on {day}", "open on sunday"),
        ("my name is {name}", "my name is"),
    ],
)
def test_does_not_fit(source: str, text: str) -> None:
    assert Pattern(source, SLOTS).match(text) is None


def test_fits_a_part() -> None:
    match = Pattern("what are your hours", {}).match("Hello, what are your hours, please?")
    assert match is not None
    assert not match.whole


@pytest.mark.parametrize(
    ("source", "text", "slots"),
    [
        ("open on {day}", "open on Tuesday morning!", {"day": "tuesday morning"}),
        ("open on {day} at all", "open on tuesday at all", {"day": "tuesday"}),
        (
            "i am {name} and [the] day is {day}",
            "I am Ada King, and the day is Monday",
            {"name": "ada king", "day": "monday"},
        ),
        ("[on {day}] open", "open", {}),
        (r"/room (?P<number>\d+)/", "room 12", {"number": "12"}),
    ],
)
def test_slots_hold_what_stood_there(source: str, text: str, slots: dict[str, str]) -> None:
    match = Pattern(source, SLOTS).match(text)
    assert match is not None
    assert match.slots == slots


def test_a_free_slot_is_bounded() -> None:
    assert whole("call {name}", "call " + "x " * MAX_SLOT_WORDS)
    assert not whole("call {name}", "call " + "x " * (MAX_SLOT_WORDS + 1))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("(a", "not closed"),
        ("[a", "not closed"),
        ("(a]", "not closed"),
        ("a)", "wrong place"),
        ("a | b", "wrong place"),
        ("{day", "malformed slot"),
        ("{}", "malformed slot"),
        ("day}", "malformed slot"),
        ("{month}", "does not define"),
        ("{day} {day}", "twice"),
        ("({day} a | b {day})", "twice"),
        ("[a] [b]", "optional"),
        ("", "optional"),
        ("?!", "optional"),
        ("()", "optional"),
        ("/(/", "regular expression"),
        ("(a|b|c|d|e|f|g|h) " * 4, "too many"),
        ("(a|b|c|d|e|f|g|h) " * 400, "too many"),
    ],
)
def test_malformed_patterns_are_refused(source: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Pattern(source, SLOTS)


def test_phrases_are_all_it_stands_for() -> None:
    assert Pattern("(book|make) it [now]", {}).phrases == ("book it now", "book it", "make it now", "make it")
    assert Pattern("on {day}", SLOTS).phrases == ("on monday", "on tuesday", "on tuesday morning")
    assert Pattern("i am {name}", SLOTS).phrases == ()
    assert Pattern("/a|b/", SLOTS).phrases == ()


# Many sources are malformed, and making only good ones would leave out what lies at the border.
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(pattern)
def test_every_phrase_fits_its_own_pattern(source: str) -> None:
    try:
        parsed = Pattern(source, {})
    except ValueError as error:
        assume("optional" not in str(error))
        raise
    assert 0 < len(parsed.phrases) <= MAX_PHRASES
    for said in parsed.phrases:
        match = parsed.match(said)
        assert match is not None
        assert match.whole
        assert said == normalize(said)


# Many sources are malformed, and making only good ones would leave out what lies at the border.
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(pattern, phrase)
def test_only_its_phrases_fit_as_a_whole(source: str, said: str) -> None:
    try:
        parsed = Pattern(source, {})
    except ValueError:
        assume(False)
    match = parsed.match(said)
    assert (match is not None and match.whole) == (normalize(said) in parsed.phrases)


@given(st.text(alphabet="ab {}()[]|/'\\day", max_size=20), st.text(max_size=20))
def test_any_source_is_read_or_refused(source: str, text: str) -> None:
    try:
        parsed = Pattern(source, SLOTS)
    except ValueError:
        return
    parsed.match(text)


@given(st.text())
def test_normalized_text_stays_as_it_is(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)
