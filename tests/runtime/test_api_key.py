from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.api_key import FILE_NAME, load_or_create_api_key
from tests.runtime.serving import settings_in


def test_a_key_that_is_set_is_taken_and_not_kept(tmp_path: Path) -> None:
    key = load_or_create_api_key(settings_in(tmp_path, api_key="given"))
    assert key.secret.get_secret_value() == "given"
    assert key.created_in is None
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "new" / "folder", api_key="")
    first = load_or_create_api_key(settings)
    path = settings.data_dir / FILE_NAME
    assert first.created_in == path
    assert len(first.secret.get_secret_value()) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    again = load_or_create_api_key(settings)
    assert (again.secret, again.created_in) == (first.secret, None)
    assert first.secret.get_secret_value() not in repr(first)
    assert [entry.name for entry in settings.data_dir.iterdir()] == [FILE_NAME]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_key="")
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_or_create_api_key(settings), range(16)))
    assert len({key.secret.get_secret_value() for key in keys}) == 1
    assert sum(key.created_in is not None for key in keys) == 1


def test_an_empty_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(OSError, match="empty"):
        load_or_create_api_key(settings_in(tmp_path, api_key=""))
