from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Conflict, Unavailable
from runtime.calls import journal as journal_module
from runtime.calls.journal import CallJournal
from tests.adapters.vendors import captured_log
from tests.support.virtual_time import VirtualClockLoop

pytestmark = pytest.mark.virtual_time

PASSING = Unavailable("the store does not answer")
REFUSED = Conflict("there is one already")
BROKEN = ZeroDivisionError("nobody thought of this")


@asynccontextmanager
async def a_journal() -> AsyncIterator[CallJournal]:
    journal = CallJournal("call")
    try:
        yield journal
    finally:
        await journal.close()


class Book:
    """What was written. Each write may fail a few times first."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.tries: list[int] = []

    def write(self, line: int, *failures: Exception, lasts_s: float = 0.0):
        waiting = list(failures)

        async def write() -> None:
            self.tries.append(line)
            await asyncio.sleep(lasts_s)
            if waiting:
                raise waiting.pop(0)
            self.lines.append(line)

        return write


async def test_entries_are_written_in_order_and_one_at_a_time() -> None:
    book = Book()
    async with a_journal() as journal:
        for line, lasts_s in enumerate((3.0, 1.0, 2.0)):
            journal.add(book.write(line, lasts_s=lasts_s))
        assert book.tries == [], "the call does not wait for the store"
        assert await journal.flush(10)
        assert book.lines == [0, 1, 2]
        assert asyncio.get_running_loop().time() == pytest.approx(6.0)
        assert await journal.flush(0.001), "nothing is left"


async def test_an_entry_waits_for_the_store_and_the_later_ones_wait_behind_it() -> None:
    book = Book()
    async with a_journal() as journal:
        journal.add(book.write(0, *[PASSING] * 10))
        journal.add(book.write(1))
        assert not await journal.flush(1.0)
        assert book.lines == []
        assert await journal.flush(60)
        assert book.lines == [0, 1]
        assert book.tries == [0] * 11 + [1]
        # Often at first, then every two seconds.
        assert asyncio.get_running_loop().time() == pytest.approx(0.05 + 0.2 + 0.5 + 1.0 + 6 * 2.0)


@pytest.mark.parametrize("error", [REFUSED, BROKEN])
async def test_an_entry_that_cannot_be_written_costs_no_other(error: Exception) -> None:
    book = Book()
    async with captured_log() as lines, a_journal() as journal:
        journal.add(book.write(0, error))
        journal.add(book.write(1))
        assert await journal.flush(1)
    assert (book.lines, book.tries) == ([1], [0, 1])
    assert [line for line in lines if "recorded" in line or "could not be written" in line]


async def test_flushing_waits_no_longer_than_it_may_and_writing_goes_on() -> None:
    book = Book()
    async with a_journal() as journal:
        journal.add(book.write(0, lasts_s=5))
        assert not await journal.flush(1)
        assert asyncio.get_running_loop().time() == pytest.approx(1)
        assert book.lines == []
        assert await journal.flush(60)
        assert book.lines == [0]


async def test_closing_gives_up_what_is_not_written() -> None:
    book = Book()
    async with a_journal() as journal:
        journal.add(book.write(0, *[PASSING] * 100))
        journal.add(book.write(1))
        await asyncio.sleep(1)
        await journal.close()
        await journal.close()
        before = len(book.tries)
        await asyncio.sleep(60)
        assert (book.lines, len(book.tries)) == ([], before)
        # Nobody writes any more, so nobody is waited for.
        assert not await journal.flush(3600)
        assert asyncio.get_running_loop().time() == pytest.approx(61)


async def test_a_cancelled_flush_leaves_nothing_behind() -> None:
    async with a_journal() as journal:
        journal.add(Book().write(0, lasts_s=5))
        flushing = asyncio.create_task(journal.flush(60))
        await asyncio.sleep(1)
        flushing.cancel()
        await asyncio.wait({flushing})
        assert flushing.cancelled()
        assert await journal.flush(60)


@pytest.mark.parametrize(
    ("entries", "size_bytes"), [(journal_module.ENTRIES_LIMIT, 0), (8, journal_module.BYTES_LIMIT // 8)]
)
async def test_a_store_that_is_gone_for_hours_costs_measurements_and_nothing_else(
    entries: int, size_bytes: int
) -> None:
    book = Book()
    async with captured_log() as lines, a_journal() as journal:
        for line in range(entries):
            journal.add(book.write(line), size_bytes=size_bytes, dispensable=True)
        for _ in range(5):
            journal.add(book.write(-1), size_bytes=size_bytes, dispensable=True)
        for line in range(entries, entries + 3):
            journal.add(book.write(line), size_bytes=size_bytes)
        assert len([line for line in lines if "measurements are dropped" in line]) == 1
        assert await journal.flush(60)
        # What is written makes room.
        journal.add(book.write(entries + 3), size_bytes=size_bytes, dispensable=True)
        assert await journal.flush(60)
        assert len([line for line in lines if "5 measurements lost" in line]) == 1
    assert book.lines == list(range(entries + 4))


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([None, REFUSED, BROKEN]), st.floats(0, 3), st.floats(0, 3)),
        max_size=12,
    )
)
def test_whatever_fails_the_rest_is_written_once_and_in_order(
    entries: list[tuple[int, Exception | None, float, float]],
) -> None:
    async def run() -> Book:
        book = Book()
        async with a_journal() as journal:
            for line, (passing, final, lasts_s, pause_s) in enumerate(entries):
                journal.add(book.write(line, *[PASSING] * passing, *([final] if final else []), lasts_s=lasts_s))
                await asyncio.sleep(pause_s)
            assert await journal.flush(3600)
        return book

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        book = runner.run(run())
    assert book.lines == [line for line, (_, final, _, _) in enumerate(entries) if final is None]
    assert book.tries == [line for line, (passing, final, _, _) in enumerate(entries) for _ in range(passing + 1)]
