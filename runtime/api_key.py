"""The API's bearer key: given by the settings, else generated once and kept beside the database."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from runtime.settings import Settings

FILE_NAME = "api_key"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key that the HTTP API asks for.

    Attributes:
        secret: The key.
        created_in: The file that it was just generated into, or None; then it is new to the operator.
    """

    secret: SecretStr
    created_in: Path | None = field(default=None)


def load_or_create_api_key(settings: Settings) -> ApiKey:
    """Return the key of the settings, else that in the data folder, else a new one kept there (mode 0600).

    Raises:
        OSError: The data folder cannot be read or written.
    """
    if settings.api_key.get_secret_value():
        return ApiKey(settings.api_key)
    path = settings.data_dir / FILE_NAME
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stored := _read(path):
        return ApiKey(stored)
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        # A link, unlike a rename, leaves alone what another process put there meanwhile.
        os.link(draft, path)
        created = True
    except FileExistsError:
        created = False
    finally:
        draft.unlink()
    stored = _read(path)
    if stored is None:
        raise OSError(f"{FILE_NAME} in the data folder is empty")
    return ApiKey(stored, path if created else None)


def _read(path: Path) -> SecretStr | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return SecretStr(text) if text else None
