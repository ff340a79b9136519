from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from models.errors import Unavailable
from runtime.demo.server_process import served


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "serve" in child.cmdline()]


async def test_it_serves_while_the_context_lasts_whatever_the_settings_around_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "aicall.yaml").write_text(yaml.safe_dump({"drain_timeout_s": "soon"}))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("AICALL_DATABASE", f"sqlite+aiosqlite:///{elsewhere}/theirs.db")
    monkeypatch.setenv("AICALL_PUBLIC_URL", "https://theirs.example.com")
    monkeypatch.setenv("AICALL_MAX_CALLS", "nonsense")
    data = tmp_path / "data"
    data.mkdir()
    async with served(data, "k") as url:
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer k"}, trust_env=False) as http:
            ai = {"name": "a", "engine_model": "script.receptionist", "init_prompt": ""}
            ai |= {"tts_type": "espeak", "stt_type": "pocketsphinx"}
            made = (await http.post("/v1.0/ais", json=ai)).json()
            aicall = (await http.post("/v1.0/aicalls", json={"assistance_id": made["id"]})).json()
        assert aicall["media_url"].startswith(url.replace("http", "ws"))
        assert len(children()) == 1
    assert children() == []
    assert [path.name for path in elsewhere.iterdir()] == ["aicall.yaml"]
    assert (data / "aicall.db").exists()


async def test_a_server_that_cannot_start_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    break_installation(tmp_path, monkeypatch)
    with pytest.raises(Unavailable, match="did not start"):
        async with served(tmp_path, "k"):
            pass
    assert children() == []
    assert "uvicorn is broken" in capfd.readouterr().err


def break_installation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the child find a web server that cannot be imported."""
    (folder / "uvicorn.py").write_text("raise ImportError('uvicorn is broken')")
    monkeypatch.setenv("PYTHONPATH", str(folder))


async def test_a_server_that_does_not_stop_is_killed_even_when_nobody_waits(tmp_path: Path) -> None:
    async def run() -> None:
        async with served(tmp_path, "k"):
            (child,) = children()
            child.suspend()  # SIGTERM waits until it runs again
            stopping.set()

    stopping = asyncio.Event()
    task = asyncio.create_task(run())
    await stopping.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_a_server_that_ended_by_itself_is_no_trouble(tmp_path: Path) -> None:
    async with served(tmp_path, "k"):
        (child,) = children()
        os.kill(child.pid, signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, [child], 5)
    assert children() == []
