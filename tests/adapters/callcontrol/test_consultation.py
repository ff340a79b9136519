from __future__ import annotations

import asyncio

import pytest

from adapters.callcontrol.base import Leg
from adapters.callcontrol.consultation import (
    RING_S,
    TOTAL_S,
    Consultation,
    Consulting,
    NotAnswered,
    consult,
    consultings,
)
from adapters.callcontrol.transfer import transfer_of
from models.errors import ToolFailed

pytestmark = pytest.mark.virtual_time

LEG = Leg("twilio", "CA1")


class Phone(Consultation):
    """Somebody's phone.

    Attributes:
        after_s: When it is answered, seconds; None for never.
        log: What happened, shared by all.
        fails: What its first call or the join ends with.
    """

    def __init__(self, name: str, log: list[str], after_s: float | None = None, **fails: Exception) -> None:
        self.name = name
        self.log = log
        self.after_s = after_s
        self.fails = fails
        self.began_s = 0.0

    async def call(self, ring_s: float) -> None:
        self.log.append(f"call {self.name} {ring_s:g}")
        if "call" in self.fails:
            raise self.fails["call"]
        self.began_s = asyncio.get_running_loop().time()

    async def answered(self) -> bool:
        if "answered" in self.fails:
            raise self.fails["answered"]
        return self.after_s is not None and asyncio.get_running_loop().time() - self.began_s >= self.after_s

    async def join(self) -> None:
        if "join" in self.fails:
            raise self.fails["join"]
        self.log.append(f"join {self.name}")

    async def give_up(self) -> None:
        self.log.append(f"give up {self.name}")
        if "give_up" in self.fails:
            raise self.fails["give_up"]


async def ask(*phones: Phone) -> str:
    destinations = [{"type": "extension", "target": phone.name} for phone in phones]
    whom = consultings(LEG, transfer_of({"destinations": destinations, "summary": "s"}), "+1", "key")
    assert whom[-1] == Consulting(LEG, whom[-1].destination, "+1", "s", "", f"key-{len(phones) - 1}")
    by_name = {phone.name: phone for phone in phones}
    return (await consult(whom, lambda it: by_name[it.destination.target])).target


async def test_whoever_answers_has_the_caller() -> None:
    log: list[str] = []
    assert await ask(Phone("a", log, 3.0)) == "a"
    assert log == [f"call a {RING_S:g}", "join a"]


async def test_one_after_the_other() -> None:
    log: list[str] = []
    assert await ask(Phone("a", log), Phone("b", log, answered=NotAnswered()), Phone("c", log, 1.0)) == "c"
    assert [line.split()[:2] for line in log if not line.startswith("call")] == [
        ["give", "up"],
        ["give", "up"],
        ["join", "c"],
    ]


async def test_all_of_it_has_an_end() -> None:
    log: list[str] = []
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(NotAnswered):
        await ask(*[Phone(name, log) for name in "abc"])
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(TOTAL_S, abs=1.0)
    # No time was left for the third.
    assert [line for line in log if line.startswith("call")] == ["call a 25", f"call b {TOTAL_S - RING_S:g}"]


@pytest.mark.parametrize("when", ["call", "answered", "join"])
async def test_a_consultant_who_cannot_have_the_caller_is_let_go(when: str) -> None:
    log: list[str] = []
    phone = Phone("a", log, 0.0, **{when: ToolFailed("refused"), "give_up": ToolFailed("gone")})
    with pytest.raises(ToolFailed, match="refused"):
        await ask(phone)
    assert log[-1] == "give up a"


async def test_cancelled() -> None:
    log: list[str] = []
    asking = asyncio.ensure_future(ask(Phone("a", log)))
    await asyncio.sleep(1)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert log[-1] == "give up a"
