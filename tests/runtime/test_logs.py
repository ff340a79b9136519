from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import pytest
from loguru import logger

from runtime.logs import BLOT, configure_logging, redact


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PIPECAT_LOG_LLM_CONTEXT", "full")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        "GET /ws/6b1c-1/canary HTTP/1.1",
        "GET /ws/6b1c-1/canary?from=1 HTTP/1.1",
        "GET /ws/6b1c-1/canary/twilio?from=1 HTTP/1.1",
        "GET /v1.0/answer/exotel/6b1c?token=canary&From=1 HTTP/1.1",
        "https://h/v1.0/answer/exotel/6b1c?From=1&amp;token=canary",
        "x-cx-apikey: canary",
        "wss://user:canary@h/ws/6b1c",
        "'ws://h:1/ws/6b1c-1/canary'",
        "> Authorization: Bearer canary",
        "authorization: Token canary",
        "{'Authorization': 'Bearer canary', 'x': 'y'}",
        "xi-api-key: canary",
        '"engine_key": "canary"',
        "engine_key='canary'",
        "wss://api.example/v1?model=x&api_key=canary&y=1",
        "postgresql+asyncpg://user:canary@db:5432/aicall",
        "sent bearer canary",
    ],
)
def test_what_opens_something_is_blotted_out(text: str) -> None:
    assert "canary" not in redact(text)
    assert BLOT in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "aicall 6b1c progressing",
        "listening on http://127.0.0.1:8080",
        "GET /v1.0/ais/6b1c HTTP/1.1",
        "the secret key of https://h/ws/ is missing",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


def test_both_loggings_and_tracebacks_are_redacted() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    secret = "canary-local-variable"  # noqa: F841
    logger.info("refused /ws/1/canary")
    logging.getLogger("library").warning("GET %s", "/ws/1/canary")
    try:
        raise RuntimeError("Authorization: Bearer canary")
    except RuntimeError:
        logger.exception("failed")
    text = stream.getvalue()
    assert text.count("/ws/1/") == 2
    assert "Traceback" in text
    assert "library" in text or "test_logs" in text
    assert "canary" not in text


def test_levels() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    logger.debug("ours, debug")
    logging.getLogger("library").info("theirs, info")
    assert stream.getvalue() == ""
    configure_logging("DEBUG", stream)
    logger.debug("ours, debug")
    logging.getLogger("library").info("theirs, info")
    logging.getLogger("library").debug("theirs, debug")
    assert [line.split(" ", 3)[-1].endswith("info") for line in stream.getvalue().splitlines()] == [False, True]


def test_a_message_with_braces_is_not_formatted_again() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    logging.getLogger("library").warning("%s", "{0} {name} <red>")
    assert "{0} {name} <red>" in stream.getvalue()


def test_pipecat_is_told_to_keep_conversations_out() -> None:
    configure_logging("INFO", io.StringIO())
    assert os.environ["PIPECAT_LOG_LLM_CONTEXT"] == "off"


def test_lines_say_which_process_wrote_them() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream, process="worker 2")
    logger.info("draining")
    assert " [worker 2] tests.runtime.test_logs draining" in stream.getvalue()
    configure_logging("INFO", stream)
    logger.info("alone")
    assert "[" not in stream.getvalue().splitlines()[1]
