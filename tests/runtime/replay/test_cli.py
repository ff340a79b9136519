"""``aicall replay`` as a user runs it, in real time against a bot in another thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from click.testing import Result
from typer.testing import CliRunner

from runtime.replay.cli import replay_command
from tests.runtime.replay.bots import Bot, problem, tone

QUICK = ["--quiet", "0.25"]


@contextmanager
def running(bot: Bot) -> Iterator[str]:
    """Run a bot on its own event loop."""
    loop = asyncio.new_event_loop()
    ready: list[str] = []
    started, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with bot.serving() as url:
            ready.append(url)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    started.wait()
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture
def wav(tmp_path: Path) -> str:
    path = tmp_path / "question.wav"
    soundfile.write(path, np.pad(tone(200, 16_000), 800), 16_000)
    return str(path)


def replay(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(replay_command)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})


def test_a_good_run(tmp_path: Path, wav: str) -> None:
    bot = Bot(greeting_ms=100, answer_ms=100, delay_s=0.0)
    files = tmp_path / "report.json", tmp_path / "report.html"
    with running(bot) as url:
        result = replay(
            url, wav, wav, "--calls", "3", "--ramp", "0.1", "--json", str(files[0]), "--html", str(files[1]), *QUICK
        )
    assert result.exit_code == 0, result.output
    report = json.loads(files[0].read_text())
    assert (report["ok"], report["failed"], report["voice_to_voice_ms"]["count"]) == (3, 0, 6)
    assert report["voice_to_voice_ms"]["min"] >= 200
    assert files[1].read_text().startswith("<!doctype html>")
    assert "voice to voice" in result.output
    assert bot.calls == 3


def test_a_refused_call(wav: str) -> None:
    with running(Bot(refuse=(403, problem("the token is spent")))) as url:
        result = replay(url, wav, *QUICK)
    assert result.exit_code == 1
    assert "call failed, refused: HTTP 403: the token is spent" in result.stdout


def test_headers_protocol_and_a_bot_that_does_not_greet(wav: str) -> None:
    bot = Bot(greeting_ms=0, answer_ms=100, delay_s=0.0)
    with running(bot) as url:
        result = replay(url, wav, "--no-greeting", "--protocol", "plain", "--header", "X-Api-Key: k: v", *QUICK)
    assert result.exit_code == 0, result.output
    assert bot.headers["x-api-key"] == "k: v"
    assert bot.headers["sec-websocket-protocol"] == "aicall.plain.v1"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--protocol", "morse"], "protocol: unknown media protocol"),
        (["--header", "nonsense"], "header: must look like 'Name: value'"),
        (["--json", "no-such-folder/report.json"], "no-such-folder/report.json: its folder does not exist"),
        (["--calls", "0"], "--calls"),
        (["no-such-file.wav"], "no-such-file.wav: cannot be read as audio"),
    ],
)
def test_bad_input_is_named_before_any_call(wav: str, arguments: list[str], complaint: str) -> None:
    result = replay("ws://127.0.0.1:1/", wav, *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
