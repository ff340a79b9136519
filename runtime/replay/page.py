"""Self-contained HTML pages: style, script and data inside, nothing fetched, readable from disk."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "media-src data: blob: file: 'self'"
)

_ESCAPES: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def asset(name: str) -> str:
    """Return the text of a file of ``runtime/replay/assets``."""
    return resources.files("runtime.replay").joinpath("assets", name).read_text("utf-8")


def escape(value: object) -> str:
    """Return text that is safe within HTML elements and quoted attributes."""
    return html.escape(str(value), quote=True)


def page(
    title: str,
    body: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> str:
    """Assemble a page.

    Args:
        title: Its title, plain text.
        body: Content of ``<body>``: HTML, escaped by the caller.
        styles: Names of the assets to inline as CSS.
        scripts: Names of the assets to inline as JavaScript, run after the body.
        data: JSON document for the scripts, in the element ``#data``. Its text may come from anywhere.

    Returns:
        The HTML document.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        *(f"<style>\n{asset(name)}</style>" for name in styles),
        "</head><body>",
        body,
    ]
    if data is not None:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)
        parts.append(f'<script type="application/json" id="data">{text}</script>')
    parts += [*(f"<script>\n{asset(name)}</script>" for name in scripts), "</body></html>\n"]
    return "\n".join(parts)
