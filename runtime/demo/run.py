"""Runs the demo: starts the server, creates the AI and the AIcall, places the call, prints it live, checks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from adapters.media.clients.base import CallLeg
from models.event import EventType, status_event_type
from models.status import AicallStatus
from models.timestamps import format_timestamp, parse_timestamp
from runtime.demo.call_plan import AI, SAMPLE_RATE_HZ, caller_script
from runtime.demo.client import Api
from runtime.demo.live_view import LiveView
from runtime.demo.phone import ListeningPhone
from runtime.demo.server_process import served
from runtime.demo.verdict import shortcomings
from runtime.replay.call import Line, place_call
from runtime.replay.caller import Caller
from runtime.replay.record import CallRecord
from runtime.replay.script import Script
from runtime.replay.timeline import CallTimeline, write_timeline

RECORDING = "recording.wav"
CALL = "call.json"
TIMELINE = "timeline.html"

_EVENTS_TIMEOUT_S = 15.0
_RUNNING = status_event_type(AicallStatus.PROGRESSING)
_ENDED = status_event_type(AicallStatus.TERMINATED)


async def demo_exit_code(out: Path) -> int:
    """Run the demo on the terminal; SIGINT and SIGTERM end it in good order.

    Args:
        out: See `run_demo`.

    Returns:
        0 when all was well, 1 when not, 128 and the signal's number when it was stopped.

    Raises:
        AicallError: As `run_demo`.
        OSError: As `run_demo`.
    """
    console = Console()
    with _stopped_by_signals() as received:
        try:
            return 1 if await run_demo(out, console) else 0
        except asyncio.CancelledError:
            if not received:
                raise
            console.print("\nstopped")
            return 128 + received[0]


@contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """Cancel the current task at the first SIGINT or SIGTERM; those after it find it ending already."""
    loop, task, received = asyncio.get_running_loop(), asyncio.current_task(), list[int]()

    def stop(number: int) -> None:
        if not received and task is not None:
            task.cancel()
        received.append(number)

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, stop, int(number))
    try:
        yield received
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@dataclass(slots=True)
class _Outcome:
    """What is known of the call afterwards, as far as it came."""

    record: CallRecord
    aicall: dict[str, Any]
    messages: list[dict[str, Any]]
    events: list[dict[str, Any]] = field(default_factory=list)


async def run_demo(out: Path, console: Console) -> list[str]:
    """Run the demo.

    Args:
        out: Folder for ``recording.wav``, ``call.json`` and ``timeline.html``; made where it is missing.
        console: Where to print.

    Returns:
        What was not as it should be; empty when all was well.

    Raises:
        InvalidField: The server cannot run the demo's AI.
        ProviderError: The embedded voice is not installed.
        Unavailable: The server does not start, or does not answer.
        OSError: The folder cannot be written.
    """
    _make_empty(out)
    script = await caller_script()
    with TemporaryDirectory(prefix="aicall-demo-") as data:
        api_key = secrets.token_urlsafe(16)
        console.print("[dim]starting the server (aicall serve) …[/]")
        async with served(Path(data), api_key) as base_url:
            console.print(f"[dim]listening on {base_url}[/]", highlight=False)
            api = Api(base_url, api_key)
            try:
                outcome = await _call(api, script, console)
            finally:
                await api.aclose()
    _write(out, outcome.record, outcome.aicall, outcome.messages, outcome.events)
    found = shortcomings(outcome.record, outcome.aicall, outcome.messages, outcome.events)
    _summary(console, out, outcome.record, outcome.events, found)
    return found


def _make_empty(out: Path) -> None:
    """Make the folder; files of an earlier run would look like this one's, should it fail."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (RECORDING, CALL, TIMELINE):
        (out / name).unlink(missing_ok=True)


async def _call(api: Api, script: Script, console: Console) -> _Outcome:
    """Create the AI and the AIcall, place the call, and collect what the server says of it."""
    ai = await api.post("/v1.0/ais", AI)
    aicall = await api.post("/v1.0/aicalls", {"assistance_id": ai["id"]})
    console.print(f"[dim]AIcall {aicall['id']}; the caller dials its media_url[/]\n", highlight=False)
    view = LiveView(console)
    events: list[dict[str, Any]] = []
    watching = asyncio.create_task(_watch(api, view, events), name="events")
    try:
        leg = CallLeg("demo", "demo", sample_rate_hz=SAMPLE_RATE_HZ, from_="+15551230001", to="+15551230002")
        caller = Caller(ListeningPhone(leg, view.bot_audio), script, keep_audio=True)
        record = await place_call(Line(aicall["media_url"]), caller)
        # The last ones are on their way still. If they never come, the verdict says so.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVENTS_TIMEOUT_S):
                await watching
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        view.close()
    messages = await api.get("/v1.0/aimessages", aicall_id=aicall["id"])
    return _Outcome(record, await api.get(f"/v1.0/aicalls/{aicall['id']}"), messages["result"][::-1], events)


async def _watch(api: Api, view: LiveView, events: list[dict[str, Any]]) -> None:
    """Print and collect events as they come, until the last one of the call."""
    async with aclosing(api.events()) as arriving:
        async for event in arriving:
            events.append(event)
            view.event(event)
            if event["type"] == _ENDED:
                return


def _write(
    out: Path,
    record: CallRecord,
    aicall: dict[str, Any],
    messages: list[dict[str, Any]],
    events: list[dict[str, Any]],
) -> None:
    document: dict[str, Any] = {"aicall": aicall, "messages": messages, "events": events}
    if record.tracks is not None and record.started_at is not None:
        document["recording"] = {
            "file": RECORDING,
            "channels": ["caller", "bot"],
            "sample_rate": record.tracks.sample_rate_hz,
            "tm_start": format_timestamp(record.started_at),
        }
    (out / CALL).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if record.tracks is None or record.started_at is None:
        return
    record.tracks.write_wav(out / RECORDING)
    stereo = record.tracks.stereo()
    running = next((event["tm_create"] for event in events if event["type"] == _RUNNING), None)
    offset = parse_timestamp(running) - record.started_at if running else timedelta()
    timeline = CallTimeline(
        caller=np.ascontiguousarray(stereo[:, 0]),
        bot=np.ascontiguousarray(stereo[:, 1]),
        sample_rate_hz=record.tracks.sample_rate_hz,
        started_at=record.started_at,
        aicall=aicall,
        messages=messages,
        events=events,
        recording=RECORDING,
        media_offset_ms=offset.total_seconds() * 1000,
        caller_turns=record.turns,
    )
    write_timeline(out / TIMELINE, timeline)


def _summary(console: Console, out: Path, record: CallRecord, events: list[dict[str, Any]], found: list[str]) -> None:
    waits = [
        event["data"]["voice_to_voice_ms"]
        for event in events
        if event["type"] == EventType.TURN_COMPLETED and event["data"]["voice_to_voice_ms"] is not None
    ]
    console.print()
    if waits:
        median_ms = round(np.median(waits))
        console.print(f"caller's last word to the bot's first sound, median: [bold]{median_ms} ms[/]", highlight=False)
    written = ", ".join(name for name in (RECORDING, CALL, TIMELINE) if (out / name).exists())
    console.print(f"{record.ended_ms / 1000:.1f} s of call in [bold]{escape(str(out))}/[/]: {written}", highlight=False)
    for line in found:
        console.print(f"[red]not as it should be:[/] {escape(line)}", highlight=False, soft_wrap=True)
    if not found:
        console.print("[green]every expected status and turn happened[/]")
