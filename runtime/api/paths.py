"""Which operations of the OpenAPI document a request's path belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from fastapi import FastAPI
from starlette.requests import Request


def operations_at(request: Request) -> Iterator[dict[str, Any]]:
    """Yield the operations, by method in small letters, of every documented path that fits the request's, best first.

    They stand in the order of the routes, which is the order in which a request is given to them.
    """
    for path, methods in cast("FastAPI", request.app).openapi()["paths"].items():
        if _pattern(path).fullmatch(request.url.path):
            yield methods


@lru_cache(maxsize=1024)
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", path)
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))
