from __future__ import annotations

import errno
import os

import pytest

from models.errors import AicallError, InvalidField, Unavailable
from runtime.exits import explain


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidField("port", "must be a port"), (2, "port: must be a port")),
        (Unavailable("the database does not answer"), (1, "the database does not answer")),
        (OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)), (1, "cannot start: Address already in use")),
        (OSError("nothing more is known"), (1, "cannot start: nothing more is known")),
    ],
)
def test_code_and_words(error: AicallError | OSError, expected: tuple[int, str]) -> None:
    assert explain(error) == expected
