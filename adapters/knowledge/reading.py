"""Reading documents: text, Markdown, HTML and PDF. Runs in a process of its own, see `reader.py`.

What people upload may be hostile or broken, and reading a PDF takes seconds in which no other Python code runs. So the
reader is a process with a limit on memory and processor time, that reads one document from its standard input and
writes one JSON document to its standard output.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Iterator

from adapters.knowledge.sections import Section, markdown_sections
from models.errors import InvalidField

CONTENT_TYPES = ("text/plain", "text/markdown", "text/html", "application/pdf")
"""What can be read."""

MOST_PAGES = 2000
MOST_CHARACTERS = 5_000_000
"""Longest text of a document."""

_MEMORY_BYTES = 1 << 30
_PROCESSOR_S = 60
_NOT_READ = ("script", "style", "template", "noscript", "svg", "head")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset({"p", "li", "tr", "div", "section", "article", "br", "dt", "dd", "pre", "blockquote", "table"})


def read(content: bytes, content_type: str) -> list[Section]:
    """Return the text of a document, section by section.

    Args:
        content: The document.
        content_type: One of `CONTENT_TYPES`.

    Raises:
        InvalidField: ``content_type`` is another one, or ``content`` is no such document, holds no text or too much.
    """
    if content_type == "application/pdf":
        sections = list(_pdf(content))
    elif content_type == "text/html":
        sections = list(_html(content))
    elif content_type == "text/markdown":
        sections = list(markdown_sections(_text(content)))
    elif content_type == "text/plain":
        sections = [Section(_text(content).strip())]
    else:
        raise InvalidField("content_type", f"must be one of {', '.join(CONTENT_TYPES)}")
    sections = [section for section in sections if section.text.strip()]
    if not sections:
        raise InvalidField("content", "holds no text")
    if sum(len(section.text) for section in sections) > MOST_CHARACTERS:
        raise InvalidField("content", f"holds more than {MOST_CHARACTERS} characters")
    return sections


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidField("content", "is not UTF-8 text") from None
    if "\0" in text:
        raise InvalidField("content", "is not text")
    return text


def _html(content: bytes) -> Iterator[Section]:
    from bs4 import BeautifulSoup, Tag  # noqa: PLC0415 - of the extra `knowledge`
    from bs4.element import NavigableString  # noqa: PLC0415

    soup = BeautifulSoup(content, "html.parser")
    for tag in soup.find_all(_NOT_READ):
        tag.decompose()
    markdown: list[str] = []
    for node in soup.descendants:
        if isinstance(node, Tag):
            if node.name in _HEADINGS:
                title = " ".join(node.get_text(" ").split())
                markdown.append(f"\n\n{'#' * _HEADINGS[node.name]} {title}\n\n")
            elif node.name in _BLOCKS:
                markdown.append("\n\n")
        # Comments and the like are NavigableStrings of a class of their own.
        elif type(node) is NavigableString and not any(parent.name in _HEADINGS for parent in node.parents):
            # A line of text that only looks like a heading is none.
            markdown.append(" ".join(str(node).split()).lstrip("#") + " ")
    yield from markdown_sections("".join(markdown))


def _pdf(content: bytes) -> Iterator[Section]:
    from pypdf import PdfReader  # noqa: PLC0415 - of the extra `knowledge`
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InvalidField("content", "is encrypted")
        if len(reader.pages) > MOST_PAGES:
            raise InvalidField("content", f"has more than {MOST_PAGES} pages")
        for number, page in enumerate(reader.pages, 1):
            yield Section(page.extract_text().strip(), page=number)
    # The library raises whatever the broken part of a file leads to.
    except (PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        raise InvalidField("content", "is not a PDF document that can be read") from None


def main() -> None:
    """Read the document on the standard input; the content type is the one argument."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    answer: dict[str, object]
    try:
        sections = read(sys.stdin.buffer.read(), sys.argv[1])
        answer = {"sections": [[section.text, section.headings, section.page] for section in sections]}
    except InvalidField as error:
        answer = {"field": error.field, "message": error.message}
    except (MemoryError, RecursionError):
        answer = {"field": "content", "message": "is too large or nested too deeply to be read"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
