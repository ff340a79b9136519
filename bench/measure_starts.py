"""What the beginning of a call costs: the greeting's delay, and what it does to a call that is already running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bench.callers import greeted, talk
from bench.figures import Quantity, median
from bench.load import placing
from bench.processes import BenchError, Server
from runtime.replay.load import Plan, run_plan
from runtime.replay.record import CallRecord
from runtime.replay.utterance import Utterance

_WATCHED_S = 1.2
"""How long the loop is watched from dialling on: longer than either system takes to greet, seconds."""
_REST_S = 1.0
"""Between two starts, for the end of the one before, seconds."""
_BACKGROUND_TURNS = 60


def quantities(label: str) -> dict[str, Quantity]:
    """Return the quantities of this measurement by their short names; ``label`` says which end-of-turn policy."""
    made = {
        "model_load": Quantity(f"model_load.{label}", "Model load per call on the event loop", digits=1),
        "sessions": Quantity(f"model_sessions.{label}", "Model sessions made per call", unit="", digits=1),
        "longest_stall": Quantity(f"longest_stall.{label}", "Longest stall of the event loop per call start"),
        "stalled": Quantity(f"stalled.{label}", "Event loop stalled per call start (stalls over 5 ms)"),
        "setup": Quantity(f"setup.{label}", "Dialling to accepted WebSocket, p50"),
        "first_audio": Quantity(f"first_audio.{label}", "Accepted to first greeting byte, p50"),
        "first_audio_max": Quantity(f"first_audio_max.{label}", "Accepted to first greeting byte, slowest"),
    }
    return {name: _labelled(quantity, label) for name, quantity in made.items()}


async def measure_starts(
    server: Server, url: str, utterances: Sequence[Utterance], starts: int, label: str
) -> dict[Quantity, float | None]:
    """Place calls one after the other beside one that is live the whole time.

    A further call goes first, unmeasured, since the first call of a process imports modules and fills pools.

    Args:
        server: The server.
        url: Its media URL.
        utterances: What the live caller says.
        starts: How many calls to place.
        label: Which end-of-turn policy the server runs with.

    Raises:
        BenchError: A call failed.
    """
    await _greet(url)
    reports, records = [], []
    async with placing(Plan(url, talk(utterances, _BACKGROUND_TURNS))) as background:
        await asyncio.sleep(2.0)
        for _ in range(starts):
            await server.ask("watch")
            call = asyncio.create_task(_greet(url))
            await asyncio.sleep(_WATCHED_S)
            reports.append(await server.ask("report"))
            records.append(await call)
            await asyncio.sleep(_REST_S)
        if not background.steady:
            raise BenchError("the call in the background ended early")
    greetings = [record.first_audio_ms for record in records if record.first_audio_ms is not None]
    named = quantities(label)
    return {
        named["model_load"]: median(report["model_load_ms"] for report in reports),
        named["sessions"]: median(report["sessions"] for report in reports),
        named["longest_stall"]: median(report["longest_stall_ms"] for report in reports),
        named["stalled"]: median(report["stalled_ms"] for report in reports),
        named["setup"]: median(record.setup_ms for record in records if record.setup_ms is not None),
        named["first_audio"]: median(greetings),
        named["first_audio_max"]: max(greetings, default=None),
    }


async def _greet(url: str) -> CallRecord:
    run = await run_plan(Plan(url, greeted(), connect_timeout_s=30.0))
    record = run.records[0]
    if record.failure:
        raise BenchError(f"a call failed: {record.failure}")
    return record


def _labelled(quantity: Quantity, label: str) -> Quantity:
    title = quantity.title if label == "silence" else f"{quantity.title} ({label})"
    return Quantity(quantity.key, title, quantity.unit, quantity.digits, quantity.smaller_is_better)
