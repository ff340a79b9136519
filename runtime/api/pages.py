"""Lists: ``{"result": [...], "next_page_token": ""}``, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from adapters.store.base import Page

MAX_PAGE_SIZE = 100

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """One page of a list.

    Attributes:
        result: The documents.
        next_page_token: Give it back as ``page_token`` to get the next page; '' on the last one.
    """

    result: list[Item]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list is asked for."""

    page_size: int
    page_token: str


def _page_request(
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Most documents to return.")] = MAX_PAGE_SIZE,
    page_token: Annotated[
        str, Query(max_length=512, description="The next_page_token of the page before; empty for the first.")
    ] = "",
) -> PageRequest:
    return PageRequest(page_size, page_token)


Paging = Annotated[PageRequest, Depends(_page_request)]
"""A route parameter that reads ``page_size`` and ``page_token``."""


class Public(Protocol):
    """A model that knows the JSON document it is shown as."""

    def public(self) -> dict[str, Any]:
        """Return the document."""


def listing(page: Page[Any]) -> JSONResponse:
    """Answer with one page of documents that have a `Public.public`."""
    items: list[Public] = list(page.items)
    return JSONResponse({"result": [item.public() for item in items], "next_page_token": page.next_page_token})
