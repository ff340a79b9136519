"""Real servers that tests start themselves, on loopback and a free port, and end for sure."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

START_TIMEOUT_S = 60.0
"""How long a server may take until it answers or has ended, on a machine that is busy, seconds."""

_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
_POLL_S = 0.01

# The reading end of a pipe whose other end is the tests' process: it comes to its end with that process, however that
# one ends.
_WATCHDOG = "cat >/dev/null; kill -CONT $1 2>/dev/null; kill -QUIT $1 2>/dev/null"


def find_program(name: str, folders: Sequence[str] = ()) -> Path | None:
    """Find a program in PATH, in further folders, or where systems keep servers.

    Args:
        name: Its file name.
        folders: More places, the best one first.
    """
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *folders, *_FOLDERS)))
    return Path(found) if found else None


def missing(package: str) -> None:
    """Skip the test for want of a system package; where ``CI`` is set nothing is skipped, so fail it there.

    Args:
        package: What to install.
    """
    message = f"needs the system package {package}; `sh .ci/servers` installs it where it may"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    """Return a port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged() -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that give root's rights away; none where there are none to give."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


class ServerProcess:
    """One server with a folder of its own, on one port, that can be stopped, held and started again.

    Args:
        name: For its folder and its errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"aicall-{name}-"))
        self.port = 0
        self._user = unprivileged()
        if self._user:
            os.chown(self.folder, self._user["user"], self._user["group"])
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def run(self, *command: str | Path) -> None:
        """Run a program of the server's to its end, as the server's user."""
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, check=False, **self._user)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def launch(self, ready: Callable[[], bool], *command: str | Path) -> None:
        """Start the server, if it does not run, and wait until it is ready.

        Args:
            ready: Whether it is.
            command: Its program and arguments.

        Raises:
            RuntimeError: It ended instead, or was not ready in time.
        """
        if self._process is not None:
            return
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt at the keyboard is the tests' to handle.
                start_new_session=True,
                **self._user,
            )
        watch = ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._process.pid)]
        self._watchdog = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not start: {self.log()[-2000:]}")
            time.sleep(_POLL_S)

    def log(self) -> str:
        """Return what the server has written."""
        return (self.folder / "log").read_text(errors="replace")

    def hold(self) -> None:
        """Let the server take connections and bytes and answer nothing, as behind a network that fails."""
        for process in self._family():
            process.suspend()

    def resume(self) -> None:
        """Let it answer again."""
        for process in self._family():
            process.resume()

    def stop(self, signal_number: int = signal.SIGQUIT) -> None:
        """End the server at once; its data stays, and it may be started again. May be called twice.

        Args:
            signal_number: How it is told.
        """
        process, self._process = self._process, None
        watchdog, self._watchdog = self._watchdog, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal_number)
            try:
                process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if watchdog is not None:
            watchdog.kill()
            watchdog.communicate()

    def remove(self) -> None:
        """End the server and delete its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]
