"""Knowledge bases: what an AI can look up while it talks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.ai import READ_ONLY
from models.timestamps import NOT_YET, Timestamp


class RagWrite(BaseModel):
    """Body of ``POST /v1.0/rags`` and ``PUT /v1.0/rags/{id}``."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=255)]
    detail: str = ""

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if key not in READ_ONLY} if isinstance(data, dict) else data


class Rag(BaseModel):
    """A stored knowledge base; AIs name it by their ``rag_id``."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    name: str
    detail: str = ""
    tm_create: Timestamp
    tm_update: Timestamp = NOT_YET
    tm_delete: Timestamp = NOT_YET

    @classmethod
    def create(cls, body: RagWrite, *, id: UUID, customer_id: UUID, now: datetime) -> Self:  # noqa: A002
        """Make a new knowledge base from a request body."""
        return cls(**body.model_dump(), id=id, customer_id=customer_id, tm_create=now)

    def replaced(self, body: RagWrite, *, now: datetime) -> Self:
        """Return this knowledge base with everything its owner writes replaced (PUT)."""
        return self.model_copy(update={**body.model_dump(), "tm_update": now})

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json")


class RagDocument(BaseModel):
    """A document of a knowledge base.

    Attributes:
        content_type: What was uploaded, for example ``application/pdf``.
        characters: Length of the text in it.
        passages: Into how many pieces it was split.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    rag_id: UUID
    name: str
    content_type: str
    characters: int
    passages: int
    tm_create: Timestamp
    tm_delete: Timestamp = NOT_YET

    def public(self) -> dict[str, Any]:
        """Return the JSON document that the API answers with."""
        return self.model_dump(mode="json")


class Passage(BaseModel):
    """A piece of a document, short enough to be read out to a model.

    Attributes:
        text: What it says.
        section: Titles of the headings above it, outermost first, joined by `` > ``; '' for none.
        page: The page that it begins on, from 1; 0 where there are no pages.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    section: str = ""
    page: int = 0


class Source(BaseModel):
    """Where a found passage stands."""

    document_id: UUID
    document_name: str
    section: str
    page: int


class Finding(BaseModel):
    """A passage that fits a question.

    Attributes:
        text: What it says.
        source: Where it stands.
        score: How well it fits, for comparing the findings of one search; higher is better.
    """

    text: str
    source: Source
    score: float


class RagSearch(BaseModel):
    """Body of ``POST /v1.0/rags/{id}/search``."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, max_length=2000)]
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class RagFindings(BaseModel):
    """What a search found, the best first."""

    result: list[Finding]
