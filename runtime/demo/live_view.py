"""Prints a call as a conversation, live: what the caller said, what the model did, what the bot answered, how fast.

What happens reaches the demo on two ways: events over HTTP, the bot's audio over the media socket. Lines wait a quarter
of a second for those that happened before them and come later, and are printed in the order in which they happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from models.event import EventType
from models.message import Role
from models.timestamps import parse_timestamp
from models.turn import TurnRecord
from runtime.replay.timeline import stages_of

ORDER_S = 0.25
"""How long a line waits for earlier ones, seconds."""

_STATUS_PREFIX = "aicall_status_"


def utc_now() -> datetime:
    """Return the wall-clock time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """One line.

    Attributes:
        at: Where it stands in the conversation.
        who: First column: who or what.
        text: The rest, with markup.
        timed: Whether its time is printed; a summary has none.
        opens: Whether it opens an exchange, which is set off by an empty line.
    """

    at: datetime
    who: str
    text: str
    timed: bool = True
    opens: bool = False


class LiveView:
    """One call on the console. To be used on a running event loop.

    Args:
        console: Where to print.
        clock: The wall-clock time, UTC; the server's events are stamped by the same clock.
    """

    def __init__(self, console: Console, clock: Callable[[], datetime] = utc_now) -> None:
        self._console = console
        self._clock = clock
        self._waiting: list[_Line] = []
        self._origin: datetime | None = None
        self._bot_speaks = False
        self._answered_at: datetime | None = None

    def event(self, event: dict[str, Any]) -> None:
        """Take an event of the AIcall.

        Args:
            event: Its envelope.
        """
        at = parse_timestamp(event["tm_create"])
        self._origin = self._origin or at
        kind, data = event["type"], event["data"]
        if kind.startswith(_STATUS_PREFIX):
            reason = f" ({escape(data['end_reason'])})" if data.get("end_reason") else ""
            status = kind.removeprefix(_STATUS_PREFIX)
            self._add(_Line(at, "status", f"[bold magenta]{escape(status)}[/]{reason}"))
        elif kind == EventType.MESSAGE_CREATED:
            self._message(at, data)
        elif kind == EventType.TURN_COMPLETED:
            # A turn counts as complete when the next one begins; its figures belong under its answer.
            at, self._answered_at = self._answered_at or at, None
            turn = TurnRecord.model_validate(data)
            self._add(_Line(at, f"turn {turn.turn}", f"[dim]{_figures(turn)}[/]", timed=False))
        elif kind != EventType.VARIABLES_SET:  # the result of the tool that set them says so
            self._add(_Line(at, "event", f"[dim]{escape(kind)}[/]"))

    def bot_audio(self) -> None:
        """Take note that audio of the bot has come; the first of an answer is worth a line."""
        if not self._bot_speaks:
            self._bot_speaks = True
            self._add(_Line(self._clock(), "bot", "[dim]starts to speak …[/]"))

    def close(self) -> None:
        """Print what still waits."""
        lines, self._waiting = self._waiting, []
        self._print(lines)

    def _message(self, at: datetime, message: dict[str, Any]) -> None:
        if message["tool_calls"]:
            for call in message["tool_calls"]:
                function = call["function"]
                self._add(_Line(at, "tool", f"[blue]{escape(function['name'])}({escape(function['arguments'])})[/]"))
        elif message["role"] == Role.USER:
            self._add(_Line(at, "caller", f"[cyan]{escape(message['content'])}[/]", opens=True))
        elif message["role"] == Role.ASSISTANT:
            self._bot_speaks = False
            self._answered_at = at
            cut = " [red]✂ cut off by the caller[/]" if message["interrupted"] else ""
            self._add(_Line(at, "bot", f"[yellow]{escape(message['content'])}[/]{cut}"))
        else:
            who = "result" if message["role"] == Role.TOOL else message["role"]
            self._add(_Line(at, who, f"[blue]{escape(message['content'])}[/]"))

    def _add(self, line: _Line) -> None:
        self._waiting.append(line)
        asyncio.get_running_loop().call_later(ORDER_S, self._print_until, line)

    def _print_until(self, last: _Line) -> None:
        """Print a line whose wait is over, and those before it."""
        due = [line for line in self._waiting if line.at <= last.at]
        self._waiting = [line for line in self._waiting if line.at > last.at]
        self._print(due)

    def _print(self, lines: list[_Line]) -> None:
        for line in sorted(lines, key=lambda line: line.at):  # stable: what came first stays first
            if line.opens:
                self._console.print()
            since = f"{(line.at - (self._origin or line.at)).total_seconds():6.2f} s" if line.timed else " " * 8
            self._console.print(f"[dim]{since}[/]  {escape(line.who):<8} {line.text}", highlight=False, soft_wrap=True)


def _figures(turn: TurnRecord) -> str:
    stages = stages_of(turn)
    spent = ", ".join(f"{stage['name']} {stage['to_ms'] - stage['from_ms']}" for stage in stages)
    if turn.voice_to_voice_ms is not None:
        head = f"[bold]{turn.voice_to_voice_ms} ms[/] voice to voice"
    elif stages:
        head = f"{stages[-1]['to_ms'] - stages[0]['from_ms']} ms to the first sound"
    else:
        head = "no answer" if turn.bot_start_ms is None else "answered at once"
    parts = [f"{head}: {spent}" if spent else head]
    if turn.barge_in_ms is not None:
        parts.append(f"cut off [bold]{turn.barge_in_ms} ms[/] after the caller was noticed")
    return "; ".join(parts)
