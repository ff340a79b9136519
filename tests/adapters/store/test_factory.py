"""Which database a URL means."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.store.factory import create_database, create_store, sqlite_path
from adapters.store.postgresql import PostgresqlDatabase
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.errors import InvalidField
from tests.adapters.store.samples import KEY, make_ai

ROOT = Path(__file__).parents[3]


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
        "postgresql://user:PASSWORD@host",
        "postgresql://user:PASSWORD@host:port/db",
        "postgresql://user@host/db?password=PASSWORD",
        "postgresql+psycopg2://user:PASSWORD@host/db",
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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:PASSWORD@host/db",
        "postgres://user:PASSWORD@host:5433/db",
        "postgresql+psycopg://user:PASSWORD@host/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://user:PASSWORD@/db?host=a,b&port=1,2&target_session_attrs=read-write&sslmode=verify-full",
    ],
)
def test_postgresql_has_several_spellings(url: str) -> None:
    database = create_database(url)
    assert isinstance(database, PostgresqlDatabase)
    assert "PASSWORD" not in repr(vars(database))


def test_a_file_is_sqlite(tmp_path: Path) -> None:
    assert isinstance(create_database(str(tmp_path / "a.db")), SqliteDatabase)


def test_a_missing_driver_is_named() -> None:
    """In an interpreter that has none: this one has loaded it already."""
    code = """
import sys
sys.modules["psycopg"] = None
from adapters.store.factory import create_store
from models.errors import InvalidField
try:
    create_store("postgresql://user:PASSWORD@host/db", secret_key=sys.argv[1])
except InvalidField as error:
    print(error.field, error.message)
"""
    run = subprocess.run([sys.executable, "-c", code, KEY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout == "database needs the extra postgresql: pip install 'aicall-runtime[postgresql]'\n", run.stderr


async def test_a_store_on_postgresql_works(postgresql_url: str) -> None:
    store = create_store(postgresql_url.replace("postgresql:", "postgres:"), secret_key=KEY)
    await store.open()
    ai = make_ai()
    await store.create_ai(ai)
    assert await store.get_ai(ai.id, customer_id=None) == ai
    await store.close()
