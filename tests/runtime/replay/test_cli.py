"""``aicall replay`` as a user runs it, in real time against a bot in another thread."""

from __future__ import annotations

import asyncio
import json
import os
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
from tests.standins.audio import signature

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
        (["--protocol", "plain", "--rate", "44100"], "sample_rate_hz: the plain protocol runs at"),
        (["--rate", "0"], "sample_rate_hz: "),
        (["--phase", "random"], "ramp: random beginnings need a ramp"),
        (["--phase", "burst", "--ramp", "1"], "ramp: a burst has none"),
        (["--phase", "sideways"], "--phase"),
        (["--hold", "-1"], "--hold"),
        (["--dtmf", "12x"], "dtmf: keys are 0-9"),
        (["--barge-in", "1", "--no-greeting"], "barge-in: one WAV and no greeting"),
        (["--speech-end", "0.2", "--speech-end", "0.2"], "speech-end: is given for each WAV or for none"),
        (["--speech-end", "9"], "speech-end: does not lie within the speech of question.wav"),
        (["--script", "no-such-script"], "no-such-script: cannot be read as UTF-8 text"),
        (["--script", "no-such-script", "--dtmf", "1"], "script: says everything itself"),
        (["--expect", "no-such-file.wav"], "no-such-file.wav: cannot be read as audio"),
        (["--pid", "999999999"], "pid: no such process"),
        (["--fail-if", "v2v_p59_ms>1"], "fail-if: unknown metric 'v2v_p59_ms'; did you mean"),
        (["--fail-if", "v2v"], "fail-if: must look like 'v2v_p95_ms>500'"),
        (["--fail-if", "server_cpu_max_percent>90"], "fail-if: server_cpu_max_percent needs --pid"),
        (["--fail-if", "mismatched>0"], "fail-if: mismatched needs --expect"),
        (["--fail-if", "not_speech>0", "--no-check-speech"], "fail-if: not_speech needs --check-speech"),
        (["no-such-file.wav"], "no-such-file.wav: cannot be read as audio"),
    ],
)
def test_bad_input_is_named_before_any_call(wav: str, arguments: list[str], complaint: str) -> None:
    result = replay("ws://127.0.0.1:1/", wav, *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense", "ws://", "ws://h:99999999/", "ws://[::1/"])
def test_a_url_that_cannot_be_called_is_told(wav: str, url: str) -> None:
    result = replay(url, wav)
    assert result.exit_code == 2
    assert "url: must look like ws://HOST:PORT/PATH" in result.stderr


def test_a_broken_threshold_has_its_own_exit_code(tmp_path: Path, wav: str) -> None:
    file = tmp_path / "report.json"
    rules = ["--fail-if", "v2v_p95_ms>5", "--fail-if", "v2v_p95_ms > 60000", "--pid", str(os.getpid())]
    with running(Bot(greeting_ms=100, answer_ms=100, delay_s=0.0)) as url:
        result = replay(url, wav, "--json", str(file), *rules, *QUICK)
    assert result.exit_code == 3, result.output
    assert "threshold v2v_p95_ms>5: v2v_p95_ms is" in result.stdout
    assert [rule["failed"] for rule in json.loads(file.read_text())["thresholds"]] == [True, False]


def test_a_rule_on_failed_calls_decides_instead_of_the_first_failure(wav: str) -> None:
    with running(Bot(refuse=(503, "full"))) as url:
        assert replay(url, wav, "--fail-if", "failed_percent>100", *QUICK).exit_code == 0
        assert replay(url, wav, "--fail-if", "failed>0", *QUICK).exit_code == 3


def test_keys_a_script_and_a_given_end_of_speech(tmp_path: Path, wav: str) -> None:
    bot = Bot(greeting_ms=0, answer_ms=100, delay_s=0.0)
    steps, file = tmp_path / "steps.txt", tmp_path / "report.json"
    steps.write_text("dial 42#\nreply\nsay 1\nreply\n")
    with running(bot) as url:
        result = replay(
            url, wav, "--script", str(steps), "--speech-end", "0.15", "--json", str(file), "--rate", "8000", *QUICK
        )
    assert result.exit_code == 0, result.output
    assert bot.heard_digits == "42#"
    keys, speech = json.loads(file.read_text())["per_call"][0]["caller_speech_ms"]
    assert speech[1] - speech[0] == pytest.approx(100, abs=1)
    assert keys[1] - keys[0] == pytest.approx(400)


def test_a_caller_who_speaks_over_the_bot(tmp_path: Path, wav: str) -> None:
    bot, file = Bot(greeting_ms=900, answer_ms=100, delay_s=0.0, clear_after_s=0.05), tmp_path / "report.json"
    with running(bot) as url:
        result = replay(url, wav, "--barge-in", "0.2", "--json", str(file), *QUICK)
    assert result.exit_code == 0, result.output
    report = json.loads(file.read_text())
    assert (report["barge_ins"], report["barge_ins_ignored"], report["barge_in_stop_ms"]["count"]) == (1, 0, 1)


def test_what_came_back_is_compared(tmp_path: Path, wav: str) -> None:
    right, wrong = tmp_path / "right.wav", tmp_path / "wrong.wav"
    soundfile.write(right, tone(600), 8000)
    soundfile.write(wrong, np.frombuffer(signature("something else", 8000), "<i2"), 8000)
    with running(Bot(greeting_ms=0, answer_ms=600, delay_s=0.0)) as url:
        good = replay(url, wav, "--no-greeting", "--expect", str(wrong), "--expect", str(right), *QUICK)
        bad = replay(url, wav, "--no-greeting", "--expect", str(wrong), *QUICK)
    assert good.exit_code == 0, good.output
    assert "1 of 1 are what was expected" in good.stdout
    assert bad.exit_code == 3, bad.output
    assert "threshold mismatched>0: mismatched is 1" in bad.stdout
