from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.cli import app
from runtime.settings import Settings, describe_settings, variable
from tests.runtime.serving import CANARY, an_ai

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, and an empty working directory."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)
    # A wide terminal, so that nothing is wrapped.
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str, given: bytes | None = None) -> tuple[int, str, str]:
    """Run ``aicall`` in this process; return its exit code and what it said on stdout and stderr."""
    result = CliRunner().invoke(app, arguments, input=given)
    return result.exit_code, result.stdout, result.stderr


def aicall(*arguments: str) -> tuple[int, str]:
    """Run ``aicall`` as its own process, entry point and all; return its exit code and everything it said."""
    result = subprocess.run(
        [sys.executable, "-m", "runtime.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_lists_every_command(arguments: tuple[str, ...]) -> None:
    _, out = aicall(*arguments)
    commands = re.findall(r"^  (\w+)", out.partition("Commands:")[2], re.MULTILINE)
    assert sorted(commands) == ["check", "demo", "replay", "serve", "worker"]


def test_replay_takes_a_url_and_recordings() -> None:
    code, out = aicall("replay", "--help")
    assert code == 0
    for word in ("URL", "WAV", "--calls", "--protocol", "--ramp", "--json", "--html"):
        assert word in out


def test_replay_of_a_missing_file_ends_with_2() -> None:
    code, out = aicall("replay", "ws://127.0.0.1:1/ws/a/b", "missing.wav")
    assert code == 2
    assert "missing.wav" in out
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("command", "options"), [("worker", ("--call", "--host", "--port")), ("demo", ("--out",)), ("check", ("--data",))]
)
def test_each_command_explains_itself(command: str, options: tuple[str, ...]) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    for option in options:
        assert option in out


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_help_lists_every_setting_with_its_default(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip().startswith("AICALL_")}
    for name, default, text in describe_settings():
        assert text in lines[name]
        assert f"[{default}]" in lines[name] or not default
    assert "AICALL_BASE_URL_<PROVIDER>" in out


def test_serve_has_its_options() -> None:
    _, out, _ = run("serve", "--help")
    for option in ("--host", "--port", "--data", "--database", "--processes", "--max-calls"):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--processes", "0"], "processes"),
        (["--port", "70000"], "port"),
        (["--max-calls", "-1"], "max_calls"),
        (["--database", "oracle://db"], "database"),
    ],
)
def test_wrong_settings_end_serve_with_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    code, out, err = run("serve", "--data", str(tmp_path), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"aicall: {said}: ")
    assert "Traceback" not in err


def test_an_address_in_use_ends_serve_with_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--data", str(tmp_path), "--port", str(port))
    assert (code, out) == (1, "")
    assert "in use" in err


def test_a_wrong_value_is_not_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AICALL_SECRET_KEY", CANARY)
    code, out, err = run("serve", "--data", str(tmp_path))
    assert code == 2
    assert "secret_key" in err
    assert CANARY not in out + err


def test_check_says_one_line_each_and_its_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPGRAM_API_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = run("check", "--data", str(tmp_path / "data"))
    assert (code, err) == (0, ""), out
    assert all(line.startswith("ok    ") for line in out.splitlines())
    (tmp_path / "data" / "secret_key").unlink()
    code, out, _ = run("check", "--data", str(tmp_path / "data"))
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines() if not line.startswith("ok ")] == ["FAIL  database"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"{", "call: is not JSON"),
        (b"\xff", "call: is not UTF-8"),
        (b"{}", "ai: is required"),
        (b'\xef\xbb\xbf{"ai": 1}', "ai: must be an object"),
        (b'{"team": {"id": 1}}', "team.id: UUID input"),
        (json.dumps({"ai": an_ai(engine_key=CANARY, name=7)}).encode(), "ai.name: "),
        (json.dumps({"ai": an_ai(engine_model="script.nobody")}).encode(), "ai.engine_model: "),
        (json.dumps({"ai": an_ai(), "aicall": {"parametr": CANARY}}).encode(), "aicall.parametr: is no field"),
    ],
)
def test_a_bad_call_document_ends_worker_with_2(given: bytes, said: str) -> None:
    code, out, err = run("worker", "--call", "-", given=given)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"aicall: {said}")
    assert CANARY not in err
    assert "Traceback" not in err


def test_a_call_document_that_cannot_be_read_ends_worker_with_2(tmp_path: Path) -> None:
    for path in ("missing.json", str(tmp_path)):
        code, out, err = run("worker", "--call", path)
        assert (code, out) == (2, "")
        assert err.startswith("aicall: call: cannot be read: ")


def test_wrong_settings_end_worker_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICALL_MAX_DURATION_S", "-1")
    code, _, err = run("worker", "--call", "-", given=json.dumps({"ai": an_ai()}).encode())
    assert code == 2
    assert err.startswith("aicall: max_duration_s: ")


def test_an_address_in_use_ends_worker_with_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = json.dumps({"ai": an_ai()}).encode()
        code, out, err = run("worker", "--call", "-", "--port", str(port), given=given)
    assert (code, out) == (2, "")
    assert "in use" in err.splitlines()[-1]


def test_demo_without_a_folder_to_write_to_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("demo", "--out", str(tmp_path / "file"))
    assert code == 1
    assert err.startswith(f"aicall: {tmp_path / 'file'}: ")
    assert "Traceback" not in err
