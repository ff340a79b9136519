"""A worker's settings, and its end of the line; `test_processes` has whole ones."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidField
from runtime.supervisor.channel import Channel, Message
from runtime.supervisor.worker import Worker, main, settings_of, share_of


@given(st.integers(0, 1000), st.integers(1, 20))
def test_shares_add_up(total: int, count: int) -> None:
    shares = [share_of(total, number, count) for number in range(1, count + 1)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


def test_what_the_command_line_gave_wins_and_what_is_shared_is_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AICALL_MAX_CALLS", "7")
    monkeypatch.setenv("AICALL_PORT", "1")
    given_ = {"data_dir": str(tmp_path / "data"), "port": 2}
    settings = [settings_of({"given": given_, "number": number, "count": 2}) for number in (1, 2)]
    assert [it.max_calls for it in settings] == [4, 3]
    assert {it.port for it in settings} == {2}
    assert {it.data_dir for it in settings} == {tmp_path / "data"}


@pytest.mark.parametrize("told", ["end", "leave", "drain", "the line is cut"])
async def test_a_worker_that_is_not_wanted_any_more_does_not_start(told: str) -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, lambda message, carried: None, lambda: None)
    running = asyncio.create_task(Worker(theirs).run())
    await asyncio.sleep(0)
    if told == "the line is cut":
        channel.close()
    else:
        channel.send({"is": told})
    async with asyncio.timeout(20):
        await running
    channel.close()


async def test_a_setting_that_is_wrong_is_raised_before_anything_is_loaded(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    heard: list[Message] = []
    channel = Channel(ours, lambda message, carried: heard.append(message), lambda: None)
    channel.send({"is": "begin", "number": 1, "count": 1, "base_url": "http://h", "given": {"port": -1}})
    with pytest.raises(InvalidField) as caught:
        await Worker(theirs).run()
    assert caught.value.field == "port"
    channel.read_rest()
    assert heard == []


def test_a_worker_without_a_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aicall", "999999"]) == 1
    assert "cannot start" in capsys.readouterr().err
