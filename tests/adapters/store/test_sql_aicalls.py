"""The compare-and-set by itself: SQLite's writers take turns, so through the store no one ever loses a race."""

from sqlalchemy import Connection

from adapters.store import sql_aicalls
from adapters.store.sqlite import MEMORY, SqliteDatabase
from models.status import AicallStatus
from tests.adapters.store.samples import at, make_aicall

S = AicallStatus


async def test_a_move_from_a_status_that_is_no_more_changes_nothing() -> None:
    aicall = make_aicall()
    moved = aicall.moved(S.PROGRESSING, now=at(1))

    def work(connection: Connection) -> None:
        sql_aicalls.insert_aicall(connection, aicall, None, "")
        assert sql_aicalls._compare_and_set(connection, S.PAUSING, moved) is None
        assert sql_aicalls.select_aicall(connection, aicall.id, None) == aicall
        assert sql_aicalls._compare_and_set(connection, S.INITIATING, moved) == 2
        assert sql_aicalls._compare_and_set(connection, S.INITIATING, moved) is None
        assert sql_aicalls.select_aicall(connection, aicall.id, None) == moved

    database = SqliteDatabase(MEMORY)
    await database.open()
    await database.write(work)
    await database.close()


async def test_an_aicall_that_is_not_there_is_not_moved() -> None:
    def work(connection: Connection) -> None:
        moved = make_aicall().moved(S.PROGRESSING, now=at(1))
        assert sql_aicalls._compare_and_set(connection, S.INITIATING, moved) is None

    database = SqliteDatabase(MEMORY)
    await database.open()
    await database.write(work)
    await database.close()
