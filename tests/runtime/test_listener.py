from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.api_key import ApiKey
from runtime.listener import (
    STOP_SIGNALS,
    audiosocket_listener,
    base_url,
    listening_socket,
    received_signals,
    tell_new_key,
)
from tests.runtime.calls.audiosocket_phones import announced_ports
from tests.runtime.serving import settings_in


def test_it_listens_on_the_port_it_says(tmp_path: Path) -> None:
    with listening_socket(settings_in(tmp_path)) as listener:
        url = base_url(listener)
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            assert connection.getpeername() == listener.getsockname()
        with (
            pytest.raises(OSError, match="in use"),
            listening_socket(settings_in(tmp_path, port=int(port))),
        ):
            pass
    with listening_socket(settings_in(tmp_path, port=int(port))) as listener:
        assert base_url(listener) == url


def test_audiosocket_has_a_port_of_its_own_where_it_is_wanted(tmp_path: Path) -> None:
    with announced_ports() as ports:
        with audiosocket_listener(settings_in(tmp_path)) as listener:
            assert listener is None
        assert ports == []
        with audiosocket_listener(settings_in(tmp_path, audiosocket_port=0)) as listener:
            assert listener is not None
            assert ports == [listener.getsockname()[1]]
            assert listener.proto == socket.IPPROTO_TCP


def test_small_messages_are_not_held_back(tmp_path: Path) -> None:
    # asyncio switches Nagle's algorithm off only where the socket says that it is TCP.
    with listening_socket(settings_in(tmp_path)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


async def test_signals_are_collected_while_the_context_lasts() -> None:
    with received_signals((*STOP_SIGNALS, signal.SIGHUP)) as received:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            async with asyncio.timeout(20):
                assert await received.get() == number
    assert [signal.getsignal(it) for it in (signal.SIGTERM, signal.SIGHUP)] == [signal.SIG_DFL] * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_only_a_new_key_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_new_key(ApiKey(SecretStr("old")))
    assert capsys.readouterr().err == ""
    tell_new_key(ApiKey(SecretStr("new"), tmp_path / "api_key"))
    said = capsys.readouterr()
    assert "new" in said.err
    assert str(tmp_path / "api_key") in said.err
    assert said.out == ""
