"""The SQL store passes the contract on every database, and keeps what only it promises."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.store.base import Store
from adapters.store.factory import create_store
from adapters.store.secrets import SecretBox
from adapters.store.sqlalchemy_store import SqlAlchemyStore
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.errors import AicallError, InvalidField, Unavailable
from models.event import NewEvent
from models.status import AicallStatus
from tests.adapters.store.contract import AicallContract, AiContract, EventContract, LifeContract
from tests.adapters.store.samples import (
    CUSTOMER,
    KEY,
    OTHER_KEY,
    at,
    make_ai,
    make_aicall,
    make_message,
    stored_aicall,
)


class TestAis(AiContract): ...


class TestAicalls(AicallContract): ...


class TestEvents(EventContract): ...


class TestLife(LifeContract): ...


async def test_a_file_keeps_everything(tmp_path: Path) -> None:
    ai, aicall = make_ai(), make_aicall()
    store = create_store(str(tmp_path / "a.db"), secret_key=KEY)
    await store.open()
    await store.create_ai(ai)
    await store.create_aicall(aicall)
    for _ in range(2):
        await store.close()
        await store.open()
        assert await store.get_ai(ai.id, customer_id=CUSTOMER) == ai
        assert await store.get_aicall(aicall.id, customer_id=CUSTOMER) == aicall
    await store.close()


async def test_no_secret_stands_in_the_files(tmp_path: Path) -> None:
    store = create_store(str(tmp_path / "a.db"), secret_key=KEY)
    await store.open()
    ai = make_ai(engine_key="sk-PLAINTEXT-1", parameter={"stt_key": "PLAINTEXT-2", "tts_key": "PLAINTEXT-3"})
    await store.create_ai(ai)
    await store.update_ai(ai.model_copy(update={"name": "NEEDLE"}))

    def content() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"NEEDLE" in content()
    assert b"PLAINTEXT" not in content()
    assert KEY.encode() not in content()
    await store.close()
    assert b"NEEDLE" in content()
    assert b"PLAINTEXT" not in content()


async def test_a_wrong_key_is_refused_when_opening(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    ai = make_ai()
    store = create_store(path, secret_key=KEY)
    await store.open()
    await store.create_ai(ai)
    await store.close()
    wrong = create_store(path, secret_key=OTHER_KEY)
    with pytest.raises(InvalidField) as caught:
        await wrong.open()
    assert caught.value.field == "secret_key"
    assert OTHER_KEY not in str(caught.value)
    with pytest.raises(Unavailable):
        await wrong.get_ai(ai.id, customer_id=None)


async def test_keys_can_be_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    living, deleted = make_ai(), make_ai()

    async def reopened(secret_key: str) -> Store:
        store = create_store(path, secret_key=secret_key)
        await store.open()
        return store

    store = await reopened(KEY)
    await store.create_ai(living)
    await store.create_ai(deleted)
    await store.delete_ai(deleted.id, customer_id=CUSTOMER, now=at(1))
    await store.close()
    # Every process learns the new key first, while the old one still seals.
    for keys in (f"{KEY},{OTHER_KEY}", f"{OTHER_KEY},{KEY}", OTHER_KEY):
        store = await reopened(keys)
        assert await store.get_ai(living.id, customer_id=None) == living
        await store.close()
    with pytest.raises(InvalidField):
        await reopened(KEY)


async def test_a_spoilt_secret_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = create_store(str(path), secret_key=KEY)
    await store.open()
    ai = make_ai()
    await store.create_ai(ai)
    _execute(path, "UPDATE ais SET secrets = substr(secrets, 1, 20) || 'AAAA' || substr(secrets, 25)")
    with pytest.raises(AicallError):
        await store.get_ai(ai.id, customer_id=None)
    await store.close()


def _execute(path: Path, *statements: str) -> None:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


async def test_events_of_another_process_are_noticed(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")

    def make() -> SqlAlchemyStore:
        return SqlAlchemyStore(SqliteDatabase(path), SecretBox(KEY), poll_interval_s=0.01)

    ours, theirs = make(), make()
    await asyncio.gather(ours.open(), theirs.open())
    waiting = asyncio.create_task(ours.wait_events(after="", timeout_s=60))
    await ours.ping()
    aicall = await stored_aicall(theirs)
    async with asyncio.timeout(10):
        assert await waiting
    assert len(await ours.list_events(limit=5, customer_id=CUSTOMER, aicall_id=aicall.id)) == 1
    await ours.close()
    await theirs.close()


async def test_every_event_of_this_process_wakes_without_polling() -> None:
    store = SqlAlchemyStore(SqliteDatabase(MEMORY), SecretBox(KEY), poll_interval_s=3600)
    await store.open()
    aicall = make_aicall()
    newest = ""
    for act in (
        lambda: store.create_aicall(aicall),
        lambda: store.move_aicall(aicall.id, AicallStatus.PROGRESSING, now=at(1)),
        lambda: store.add_message(make_message(aicall)),
        lambda: store.add_event(NewEvent(type="x", aicall_id=aicall.id, tm_create=at(2), data={})),
    ):
        waiting = asyncio.create_task(store.wait_events(after=newest, timeout_s=60))
        # The waiter's own look goes first, and finds nothing.
        await store.ping()
        await store.ping()
        assert not waiting.done()
        await act()
        async with asyncio.timeout(10):
            assert await waiting
        newest = (await store.list_events(limit=10, customer_id=None))[-1].id
    await store.close()


@pytest.mark.parametrize(("lost_races", "moves"), [(1, True), (7, True), (8, False)])
async def test_a_move_that_lost_its_race_is_tried_again(tmp_path: Path, lost_races: int, moves: bool) -> None:
    # SQLite's writers take turns, so a trigger plays the other writer who gets there first: it lets updates of the
    # status change no row, as often as `left` says.
    path = tmp_path / "a.db"
    store = create_store(str(path), secret_key=KEY)
    await store.open()
    aicall = await stored_aicall(store)
    _execute(
        path,
        "CREATE TABLE races (left INTEGER)",
        f"INSERT INTO races VALUES ({lost_races})",
        """CREATE TRIGGER race BEFORE UPDATE OF status ON aicalls WHEN (SELECT left FROM races) > 0
           BEGIN UPDATE races SET left = left - 1; SELECT RAISE(IGNORE); END""",
    )
    if moves:
        moved = await store.move_aicall(aicall.id, AicallStatus.PROGRESSING, now=at(1))
        assert moved.status is AicallStatus.PROGRESSING
    else:
        with pytest.raises(Unavailable):
            await store.move_aicall(aicall.id, AicallStatus.PROGRESSING, now=at(1))
    assert len(await store.list_events(limit=10, customer_id=None)) == 1 + moves
    await store.close()


async def test_what_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = create_store(str(path), secret_key=KEY)
    await store.open()
    aicall = await stored_aicall(store)
    _execute(path, "CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
    before = await store.get_aicall(aicall.id, customer_id=None)
    with pytest.raises(Exception, match="no"):
        await store.move_aicall(aicall.id, AicallStatus.PROGRESSING, now=at(1))
    with pytest.raises(Exception, match="no"):
        await store.add_message(make_message(aicall))
    _execute(path, "DROP TRIGGER stop")
    assert await store.get_aicall(aicall.id, customer_id=None) == before
    assert (await store.list_messages(aicall.id, customer_id=None, page_size=5)).items == []
    assert (await store.add_message(make_message(aicall))).sequence == 2
    await store.close()
