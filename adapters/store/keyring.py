"""The file that holds the secret key of the embedded default."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet
from loguru import logger

from adapters.store.secrets import SecretBox
from models.errors import InvalidField

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_or_create_key(path: str | Path) -> str:
    """Return the secret key that a file holds; make file and key where there is none.

    The file appears whole or not at all, for nobody but its owner (mode 0600), and is never replaced, however many
    processes ask at once. An existing file that others may read is used, with a warning: mounted secrets often are.

    Args:
        path: The file. It may hold several keys, the newest first (see `SecretBox`). Its folder is made if missing.

    Returns:
        What `create_store` takes as ``secret_key``.

    Raises:
        InvalidField: The file cannot be read or made, or holds no key.
    """
    path = Path(path)
    try:
        if not path.exists():
            _create(path)
        text = path.read_text(encoding="ascii").strip()
        open_to_others = bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)
    except (OSError, UnicodeDecodeError):
        raise InvalidField("secret_key", "the key file cannot be read or made") from None
    if open_to_others:
        logger.warning("the secret key file is open to other users of this machine; chmod 600 it")
    SecretBox(text)
    return text


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp opens with O_EXCL and mode 0600. Linking the finished file into place lets one process win and shows the
    # others a whole key; opening `path` itself would show them an empty file for a moment.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
