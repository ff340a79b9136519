"""Has a document read in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys

from adapters.knowledge.reading import CONTENT_TYPES
from adapters.knowledge.sections import Section
from models.errors import InvalidField

READ_TIMEOUT_S = 60.0
"""Longest that a document may be read, seconds."""


async def read_document(content: bytes, content_type: str, *, timeout_s: float = READ_TIMEOUT_S) -> list[Section]:
    """Return the text of a document, section by section.

    Args:
        content: The document.
        content_type: One of `adapters.knowledge.reading.CONTENT_TYPES`.
        timeout_s: Longest that it may take, seconds.

    Raises:
        InvalidField: The document cannot be read, or not in time.
    """
    if content_type not in CONTENT_TYPES:
        raise InvalidField("content_type", f"must be one of {', '.join(CONTENT_TYPES)}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.knowledge.reading", content_type),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(content)
    except TimeoutError:
        raise InvalidField("content", "takes too long to be read") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer = json.loads(output)
    except ValueError:
        # It reached its limit of memory or processor time, or what it uses crashed.
        raise InvalidField("content", "cannot be read") from None
    if "field" in answer:
        raise InvalidField(answer["field"], answer["message"])
    return [Section(text, tuple(headings), page) for text, headings, page in answer["sections"]]
