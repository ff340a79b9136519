from uuid import uuid4

import pytest
from pydantic import ValidationError

from models.rag import Rag, RagSearch, RagWrite
from tests.adapters.store.samples import CUSTOMER, at


def test_what_a_client_reads_it_may_write_back() -> None:
    rag = Rag.create(RagWrite(name="hotel"), id=uuid4(), customer_id=CUSTOMER, now=at())
    again = rag.replaced(RagWrite.model_validate({**rag.public(), "detail": "more"}), now=at(1))
    assert (again.id, again.detail, again.tm_update) == (rag.id, "more", at(1))


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 256}, {"name": "x", "colour": "red"}])
def test_a_wrong_body_is_refused(body: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RagWrite.model_validate(body)


@pytest.mark.parametrize("body", [{"query": ""}, {"query": "x", "limit": 21}, {"query": "x" * 2001}])
def test_a_wrong_question_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RagSearch.model_validate(body)
