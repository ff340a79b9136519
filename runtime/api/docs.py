"""``/docs``: the OpenAPI document for people, on one page that loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter()

_PAGE = (files("runtime.api") / "docs.html").read_text(encoding="utf-8")


@router.get("/docs", include_in_schema=False)
async def docs() -> HTMLResponse:
    """Return the page."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": policy})
