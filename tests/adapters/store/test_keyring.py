"""The key file: made once, whole, for its owner only."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from loguru import logger

from adapters.store.keyring import load_or_create_key
from adapters.store.secrets import SecretBox
from models.errors import InvalidField
from tests.adapters.store.samples import KEY, OTHER_KEY


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    key = load_or_create_key(path)
    SecretBox(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key(str(path)) == key
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_two_places_get_two_keys(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path / "a") != load_or_create_key(tmp_path / "b")


def test_all_who_ask_at_once_get_one_key(tmp_path: Path) -> None:
    workers = 8
    for attempt in range(10):
        path = tmp_path / str(attempt)
        barrier = Barrier(workers)

        def ask(path: Path = path, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return load_or_create_key(path)

        with ThreadPoolExecutor(workers) as pool:
            keys = {future.result() for future in [pool.submit(ask) for _ in range(workers)]}
        assert len(keys) == 1
    assert len(list(tmp_path.iterdir())) == 10


def test_several_keys_are_kept_together(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text(f"{OTHER_KEY}\n{KEY}\n")
    assert SecretBox(load_or_create_key(path)).rotating


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_open_to_others_is_warned_of(tmp_path: Path, mode: int, warns: bool) -> None:
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(mode)
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    try:
        assert load_or_create_key(path) == KEY
    finally:
        logger.remove(sink)
    assert bool(lines) is warns
    assert KEY not in "".join(lines)


@pytest.mark.parametrize("content", [b"", b"nonsense", KEY.encode()[:-4], b"\xff\xfe"])
def test_a_file_without_a_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidField) as caught:
        load_or_create_key(path)
    assert caught.value.field == "secret_key"
    assert path.read_bytes() == content


def test_a_place_that_cannot_hold_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "key"):
        with pytest.raises(InvalidField):
            load_or_create_key(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
