"""Tests marked ``alone`` run while no other test does, on any worker of the run.

Two file locks do it: every test shares the room, a test that is alone has it to itself. The gate in front of the room
keeps the others from entering while one waits to be alone, who would otherwise wait for ever.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def room(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the room for one test, shared or alone. Blocks until it is free.

    Args:
        folder: A folder that every worker of the run sees and no other run does.
        alone: Whether nobody else may be in the room.
    """
    if alone:
        with _locked(folder / "gate", fcntl.LOCK_EX), _locked(folder / "room", fcntl.LOCK_EX):
            yield
        return
    descriptor = os.open(folder / "room", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _locked(folder / "gate", fcntl.LOCK_EX):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
