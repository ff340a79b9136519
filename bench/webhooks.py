"""How long after a status move a customer's webhook has it.

``python -m bench.webhooks [--calls 50] [--moves 300] [--talking]``: that many calls are up in a server process, on a
SQLite file and the vendors' stand-ins; their callers are silent, or talk all the time: 50 of those take a core for
themselves, and events wait for audio then. Meanwhile further AIcalls are made and ended by the API, for the moves that
are measured, and a webhook in this process is told of every status move. A move's time is the event's ``tm_create``,
taken before its transaction begins, so the figures hold the commit too. Both clocks are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from loguru import logger

from bench.callers import TURN_S, media_url, synthesise, talk
from bench.load import placing
from bench.machine import describe_machine
from bench.processes import API_KEY, BenchError, Cores, Server, server, stand_ins
from bench.quiet_call import QuietCall
from bench.scenario import System, TurnPolicy
from models.timestamps import parse_timestamp
from runtime.replay.load import Plan
from tests.standins.webhook_receiver import SECRET, Received, WebhookReceiver

_RAMP_S_PER_CALL = 0.2
_SETTLE_S = 3.0
_MOVES_PER_AICALL = 3
"""An AIcall that nobody connects to is initiating, terminating and terminated."""
_PAUSE_S = 0.15
"""Between two AIcalls that are made for their moves: about as many moves as 50 calls of 8 s each make, seconds."""
_DELIVERED_S = 30.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        calls: Live calls meanwhile.
        lags_ms: From each move to its webhook, milliseconds.
        busy: Share of a core that the server's process used.
        repeats: Deliveries beyond one per move.
    """

    calls: int
    lags_ms: Sequence[float]
    busy: float
    repeats: int

    def percentile(self, percent: float) -> float:
        """Return the lag that so many percent of the moves did not exceed, milliseconds."""
        ordered = sorted(self.lags_ms)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    def document(self) -> dict[str, float]:
        """Return the figures as they are reported."""
        return {
            "calls": self.calls,
            "moves": len(self.lags_ms),
            "p50_ms": round(self.percentile(50), 1),
            "p95_ms": round(self.percentile(95), 1),
            "max_ms": round(max(self.lags_ms), 1),
            "server_busy": round(self.busy, 2),
            "repeats": self.repeats,
        }


def lag_ms(received: Received) -> float:
    """Return how long after its event a delivery came, milliseconds."""
    return (received.at - parse_timestamp(received.event["tm_create"]).timestamp()) * 1000


async def measure(calls: int, moves: int, *, talking: bool = False, cores: Cores, folder: Path, log: Path) -> Figures:
    """Place the calls, make the moves, and take the times.

    Args:
        calls: Live calls.
        moves: Least status moves to measure.
        talking: Whether the callers talk.
        cores: Where the processes run.
        folder: An empty folder.
        log: Where the processes' stderr goes.

    Raises:
        BenchError: A call failed, or a move was not delivered.
    """
    aicalls = math.ceil(moves / _MOVES_PER_AICALL)
    # Far more than it takes: what is still up in the end is hung up.
    turns = 4 * math.ceil((calls * _RAMP_S_PER_CALL + _SETTLE_S + aicalls * 2 * _PAUSE_S) / TURN_S)
    async with WebhookReceiver() as receiver, stand_ins(log) as vendors:
        variables = {**vendors.environ, "AICALL_ALLOW_PRIVATE_ENDPOINTS": "true"}
        policy = TurnPolicy.SILENCE
        data = folder / "data"
        data.mkdir()
        async with server(System.OURS, policy, variables, core=cores.server, folder=data, log=log) as running:
            url = await media_url(running, policy)
            if not talking:
                async with AsyncExitStack() as line:
                    for _ in range(calls):
                        await line.enter_async_context(QuietCall(url))
                    await asyncio.sleep(_SETTLE_S)
                    return await _make_moves(running, receiver, aicalls, calls)
            utterances = await asyncio.to_thread(synthesise, folder)
            plan = Plan(url, talk(utterances, turns), calls=calls, ramp_s=calls * _RAMP_S_PER_CALL)
            async with placing(plan) as load:
                await asyncio.sleep(calls * _RAMP_S_PER_CALL + _SETTLE_S)
                figures = await _make_moves(running, receiver, aicalls, calls)
                if not load.steady:
                    raise BenchError("the calls ended before everything was measured")
                return figures


async def _make_moves(running: Server, receiver: WebhookReceiver, aicalls: int, calls: int) -> Figures:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=running.base_url, headers=headers, trust_env=False, timeout=30.0) as http:
        ai = (await http.get("/v1.0/ais")).raise_for_status().json()["result"][0]
        hook = {"url": receiver.url, "secret": SECRET, "event_types": ["aicall_status_*"]}
        (await http.post("/v1.0/webhooks", json=hook)).raise_for_status()
        began_s, cpu_s = time.monotonic(), running.cpu_s()
        for _ in range(aicalls):
            body = {"assistance_id": ai["id"]}
            aicall = (await http.post("/v1.0/aicalls", json=body)).raise_for_status().json()
            await asyncio.sleep(_PAUSE_S)
            (await http.post(f"/v1.0/aicalls/{aicall['id']}/terminate")).raise_for_status()
            await asyncio.sleep(_PAUSE_S)
        busy = (running.cpu_s() - cpu_s) / (time.monotonic() - began_s)
        expected = aicalls * _MOVES_PER_AICALL
        with contextlib.suppress(TimeoutError):
            await receiver.until(lambda: len(receiver.received) >= expected, _DELIVERED_S)
    first = {one.webhook_id: one for one in reversed(receiver.received)}
    if len(first) < expected:
        raise BenchError(f"{expected - len(first)} moves were not delivered")
    repeats = len(receiver.received) - len(first)
    return Figures(calls, [lag_ms(one) for one in first.values()], busy, repeats)


def main() -> int:
    """Run it; return the exit code: 0 unless something could not be measured. Figures are reported, not judged."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--calls", type=int, default=50, help="live calls meanwhile")
    parser.add_argument("--moves", type=int, default=300, help="least status moves to measure")
    parser.add_argument("--talking", action="store_true", help="let the callers talk all the time")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for the report and the log")
    options = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    options.out.mkdir(parents=True, exist_ok=True)
    cores = Cores.choose()
    machine = describe_machine(cores)
    cores.pin_this_process()
    try:
        with tempfile.TemporaryDirectory() as folder:
            log = options.out.resolve() / "webhooks.log"
            work = measure(
                options.calls, options.moves, talking=options.talking, cores=cores, folder=Path(folder), log=log
            )
            figures = asyncio.run(work)
    except (BenchError, httpx.HTTPError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return 1
    document = {"webhooks": figures.document(), "machine": machine}
    (options.out / "webhooks.json").write_text(json.dumps(document, indent=2, default=str) + "\n", "utf-8")
    print(json.dumps(figures.document()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
