import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.knowledge import reading
from adapters.knowledge.reading import CONTENT_TYPES, read
from adapters.knowledge.sections import Section
from models.errors import InvalidField
from tests.adapters.knowledge.documents import a_pdf

HTML = b"""<html><head><title>Not this</title><style>p {}</style></head><body><script>alert(1)</script>
<!-- nor this --><h1>Opening <em>hours</em></h1><p>We open at <b>nine</b>.</p><p># five</p>
<h2>Holidays</h2><ul><li>Closed on Sundays</li></ul></body></html>"""


def test_text_is_one_section() -> None:
    assert read("\N{BYTE ORDER MARK}Grüße\n\nalle\n".encode(), "text/plain") == [Section("Grüße\n\nalle")]


def test_html_keeps_what_people_read_under_its_headings() -> None:
    first, second = read(HTML, "text/html")
    assert first.headings == ("Opening hours",)
    assert first.text.split() == ["We", "open", "at", "nine", ".", "five"]
    assert second.headings == ("Opening hours", "Holidays")
    assert second.text == "Closed on Sundays"


def test_a_pdf_keeps_its_pages() -> None:
    assert read(a_pdf("We open at nine.", "Parking is free."), "application/pdf") == [
        Section("We open at nine.", page=1),
        Section("Parking is free.", page=2),
    ]


@pytest.mark.parametrize(
    ("content", "content_type", "field"),
    [
        (b"\xff\xfe", "text/plain", "content"),
        (b"a\0b", "text/plain", "content"),
        (b"  \n", "text/plain", "content"),
        (b"# Only a heading", "text/markdown", "content"),
        (b"<script>x</script>", "text/html", "content"),
        (b"not a pdf", "application/pdf", "content"),
        (a_pdf("text")[:200], "application/pdf", "content"),
        (b"", "application/pdf", "content"),
        (b"x", "image/png", "content_type"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, content_type: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read(content, content_type)
    assert caught.value.field == field


def test_a_text_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_CHARACTERS", 10)
    with pytest.raises(InvalidField):
        read(b"eleven char", "text/plain")


@given(st.binary(max_size=300), st.sampled_from(CONTENT_TYPES))
def test_any_bytes_are_read_or_refused(content: bytes, content_type: str) -> None:
    try:
        sections = read(content, content_type)
    except InvalidField:
        return
    assert any(section.text.strip() for section in sections)
