"""Logging: everything goes to stderr through loguru, and what opens a call or a vendor's account is blotted out."""

from __future__ import annotations

import inspect
import logging
import os
import re
import sys
from typing import TextIO

from loguru import logger

from runtime.settings import LogLevel

BLOT = "[redacted]"

_PATTERNS = (
    # Media URLs: /ws/{id}/{token}
    (re.compile(r"(/ws/[^/\s\"'?#]+/)[^/\s\"'?#,)]+"), rf"\1{BLOT}"),
    # Headers and parameters that carry credentials, as HTTP and WebSocket libraries print them.
    (
        re.compile(
            r"((?:authorization|api[-_]?key|x[-_]api[-_]key|xi[-_]api[-_]key|engine[-_]key|stt[-_]key|tts[-_]key)"
            r"['\"]?\s*[:=,]\s*['\"]?(?:(?:bearer|token|basic)\s+)?)[^\s'\"&,;)]+",
            re.IGNORECASE,
        ),
        rf"\1{BLOT}",
    ),
    (re.compile(r"\b(bearer\s+)[^\s'\"]+", re.IGNORECASE), rf"\1{BLOT}"),
    # The token of a request for an answer: /v1.0/answer/{carrier}/{id}?token={token}
    (re.compile(r"([?&](?:amp;)?token=)[^&\s\"'<>#]+"), rf"\1{BLOT}"),
    # What a phone system is told to do with a call: /callcontrol/documents/{token}
    (re.compile(r"(/callcontrol/documents/)[^\s\"'?#,)]+"), rf"\1{BLOT}"),
    # Password of a database URL.
    (re.compile(r"(\b[\w+]+://[^\s:/@]*:)[^\s/@]+(@)"), rf"\1{BLOT}\2"),
)

_FORMAT = "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level: <8} {name} {message}"

_LIBRARY_LEVELS = {"TRACE": logging.DEBUG, "DEBUG": logging.INFO}
"""From which level on libraries that use the standard logging are written; WARNING otherwise."""


def _format(process: str) -> str:
    return _FORMAT.replace(" {name}", f" [{process}] {{name}}") if process else _FORMAT


def redact(text: str) -> str:
    """Blot out media tokens, credentials in headers and parameters, and passwords in URLs."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class _ToLoguru(logging.Handler):
    """Hands the standard library's log records on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        logger.opt(depth=depth, exception=record.exc_info).log(level, "{}", record.getMessage())


def configure_logging(level: LogLevel, stream: TextIO | None = None, *, process: str = "") -> None:
    """Replace every loguru sink by one redacted stream, and route the standard library's logging into it.

    Args:
        level: Least severe level to write. Libraries on the standard logging write from WARNING on, at DEBUG
            from INFO on and at TRACE from DEBUG on.
        stream: Where to; None for stderr.
        process: What tells this process from others that write to the same stream; stands in each line.
    """
    # Pipecat would write whole conversations; read when a language-model service is made.
    os.environ["PIPECAT_LOG_LLM_CONTEXT"] = "off"
    target = stream or sys.stderr

    def write(line: str) -> None:
        target.write(redact(line))
        target.flush()

    logger.remove()
    # With `diagnose`, tracebacks would show the values of variables: keys among them.
    logger.add(write, level=level, format=_format(process), backtrace=False, diagnose=False)
    library_level = _LIBRARY_LEVELS.get(level, logging.WARNING)
    logging.basicConfig(handlers=[_ToLoguru()], level=library_level, force=True)
