from __future__ import annotations

import asyncio
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from models.turn import TurnTrigger
from runtime.demo.live_view import ORDER_S, LiveView
from tests.runtime.demo.documents import NOON, SPEECH, event, good_events, message, status, tool, turn

pytestmark = pytest.mark.virtual_time


class Screen:
    """A view on a text, on the loop's clock: second 0 is noon."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self.view = LiveView(Console(file=self._text, width=80), self.now)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())

    @property
    def lines(self) -> list[str]:
        return self._text.getvalue().splitlines()

    async def at(self, second: float) -> None:
        await asyncio.sleep(second - asyncio.get_running_loop().time())

    async def happens(self, *events: dict[str, Any], after_s: float = 0.01) -> None:
        """Let events arrive one by one, each a moment after it was stamped."""
        for it in events:
            stamped = datetime.fromisoformat(it["tm_create"]) - NOON
            await self.at(max(stamped.total_seconds() + after_s, asyncio.get_running_loop().time()))
            self.view.event(it)


async def test_a_whole_call_reads_as_a_conversation() -> None:
    screen = Screen()
    await screen.happens(*good_events())
    screen.view.close()
    assert [line[10:].split("  ")[0].strip() or "-" for line in screen.lines] == [
        *("status", "status", "bot", "turn 0"),
        *("-", "caller", "bot", "turn 1"),
        *("-", "caller", "bot", "turn 2"),
        *("-", "caller", "tool", "result", "bot", "turn 3"),
        *("-", "caller", "tool", "result", "bot", "turn 4", "status", "status"),
    ]
    assert "We are open ✂ cut off by the caller" in screen.lines[6]
    assert screen.lines[-1] == " 22.00 s  status   terminated (stop_service)"


async def test_a_line_is_printed_a_quarter_of_a_second_after_it_came() -> None:
    screen = Screen()
    screen.view.event(status(0, "initiating"))
    await screen.at(ORDER_S - 0.01)
    assert screen.lines == []
    await screen.at(ORDER_S + 0.01)
    assert screen.lines == ["  0.00 s  status   initiating"]


async def test_what_comes_late_is_printed_where_it_belongs() -> None:
    screen = Screen()
    screen.view.event(status(0, "initiating"))
    await screen.at(2.0)
    screen.view.bot_audio()
    await screen.happens(message(1.9, "user", "hello"), tool(1.95, "stop_service", "{}"), after_s=0.2)
    await screen.at(3.0)
    assert screen.lines[1:] == [
        "",
        "  1.90 s  caller   hello",
        "  1.95 s  tool     stop_service({})",
        "  2.00 s  bot      starts to speak …",
    ]


async def test_a_line_is_printed_once() -> None:
    screen = Screen()
    await screen.happens(status(1, "initiating"), status(1, "progressing"))
    await screen.at(1.1)
    screen.view.close()
    await screen.at(2)
    assert len(screen.lines) == 2


async def test_the_bot_starts_once_for_each_answer() -> None:
    screen = Screen()
    screen.view.event(status(0, "initiating"))
    for second in (1.0, 1.5, 2.0):
        await screen.at(second)
        screen.view.bot_audio()
    await screen.happens(message(2.5, "assistant", "Welcome."))
    await screen.at(4)
    screen.view.bot_audio()
    screen.view.close()
    assert [line for line in screen.lines if "starts" in line] == [
        "  1.00 s  bot      starts to speak …",
        "  4.00 s  bot      starts to speak …",
    ]


async def test_a_call_of_a_tool_is_not_an_answer() -> None:
    screen = Screen()
    screen.view.event(status(0, "initiating"))
    screen.view.bot_audio()
    await screen.happens(tool(1, "get_variables", "{}"))
    screen.view.bot_audio()
    screen.view.close()
    assert len([line for line in screen.lines if "starts" in line]) == 1


async def figures(**fields: Any) -> str:
    screen = Screen()
    screen.view.event(turn(0, 1, TurnTrigger.SPEECH, **fields))
    screen.view.close()
    (line,) = screen.lines
    assert line.startswith("          turn 1   ")
    return line[19:]


async def test_the_figures_of_a_turn() -> None:
    stages = "end of turn 200, model 10, voice 30, out 1"
    assert await figures(**SPEECH) == f"241 ms voice to voice: {stages}"
    assert await figures(**SPEECH, barge_in_ms=12) == (
        f"241 ms voice to voice: {stages}; cut off 12 ms after the caller was noticed"
    )
    assert await figures(turn_end_ms=100, bot_start_ms=120) == "20 ms to the first sound: out 20"
    assert await figures(turn_end_ms=100, bot_start_ms=100) == "answered at once"
    assert await figures(turn_end_ms=100) == "no answer"


async def test_the_last_figures_stand_above_the_end() -> None:
    screen = Screen()
    await screen.happens(
        message(1, "assistant", "Goodbye!"),
        status(1.001, "terminating"),
        turn(1.002, 4, TurnTrigger.SPEECH, **SPEECH),
        status(1.003, "terminated"),
    )
    screen.view.close()
    assert [line[10:16].strip() for line in screen.lines] == ["bot", "turn 4", "status", "status"]


async def test_what_was_said_is_not_markup() -> None:
    screen = Screen()
    await screen.happens(
        message(0, "user", "[red]a[/] [link]"),
        tool(1, "f[b]", '{"a": "[/]"}'),
        message(2, "tool", "[bold]x"),
        message(3, "assistant", "[/] y"),
        message(4, "system", "[z]"),
        event(5, "team_member_[x]"),
    )
    screen.view.close()
    assert [line[19:] for line in screen.lines if line] == [
        *("[red]a[/] [link]", 'f[b]({"a": "[/]"})', "[bold]x", "[/] y", "[z]", "team_member_[x]")
    ]


async def test_long_lines_are_left_whole() -> None:
    screen = Screen()
    screen.view.event(message(0, "assistant", "word " * 60))
    screen.view.close()
    assert len(screen.lines) == 1
