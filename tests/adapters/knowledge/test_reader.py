import pytest

from adapters.knowledge.reader import read_document
from adapters.knowledge.sections import Section
from models.errors import InvalidField
from tests.adapters.knowledge.documents import a_pdf


async def test_a_document_is_read_in_another_process() -> None:
    assert await read_document(b"# Hours\n\nNine to five.", "text/markdown") == [Section("Nine to five.", ("Hours",))]
    assert await read_document(a_pdf("Hello."), "application/pdf") == [Section("Hello.", page=1)]


@pytest.mark.parametrize(("content_type", "field"), [("application/pdf", "content"), ("image/png", "content_type")])
async def test_what_cannot_be_read_is_named(content_type: str, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await read_document(b"nothing of the kind", content_type)
    assert caught.value.field == field


async def test_whoever_takes_too_long_is_ended() -> None:
    with pytest.raises(InvalidField, match="too long"):
        await read_document(b"text", "text/plain", timeout_s=0.0)
