"""Which database a URL means."""

from pathlib import Path

import pytest

from adapters.store.factory import create_store, sqlite_path
from adapters.store.sqlite import MEMORY
from models.errors import InvalidField
from tests.adapters.store.samples import KEY, make_ai


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////var/lib/a.db", "/var/lib/a.db"),
        ("sqlite+aiosqlite:///data/a.db", "data/a.db"),
        ("a.db", "a.db"),
        ("/var/lib/a b%20?#.db", "/var/lib/a b%20?#.db"),
        ("C:\\data\\a.db", "C:\\data\\a.db"),
        (":memory:", MEMORY),
        ("sqlite://", MEMORY),
        ("sqlite:///:memory:", MEMORY),
        ("sqlite+aiosqlite:///:memory:", MEMORY),
    ],
)
def test_paths_and_urls(url: str, path: str) -> None:
    assert sqlite_path(url) == path


def test_home_is_expanded() -> None:
    assert sqlite_path("~/a.db") == str(Path.home() / "a.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "postgresql://user:PASSWORD@host/db",
        "postgresql+asyncpg://user:PASSWORD@host/db",
        "mysql://user:PASSWORD@host",
        "http://user:PASSWORD@host/db",
        "sqlite+pysqlcipher:///PASSWORD",
        "sqlite://host/a.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///file:a.db?uri=true",
        "sqlite:///file:a.db",
        "file:a.db",
        "redis:PASSWORD",
    ],
)
def test_others_are_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(InvalidField) as caught:
        create_store(url, secret_key=KEY)
    assert caught.value.field == "database"
    assert "PASSWORD" not in str(caught.value)


def test_a_bad_key_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidField) as caught:
        create_store(str(tmp_path / "a.db"), secret_key="x")
    assert caught.value.field == "secret_key"
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_was_made_works(tmp_path: Path) -> None:
    store = create_store(f"sqlite:///{tmp_path}/a.db", secret_key=KEY)
    await store.open()
    ai = make_ai()
    await store.create_ai(ai)
    assert await store.get_ai(ai.id, customer_id=None) == ai
    await store.close()
    assert (tmp_path / "a.db").exists()
