"""How many instructions a frame takes: figures that the machine's load does not change.

`bench.instructions` handles N frames and 2 N under valgrind; the difference, divided by N, is what a frame takes, since
start-up is in both. Valgrind counts the instructions that the process executes, on all its threads; what
the kernel does is not in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.figures import Quantity, slope
from bench.processes import ROOT, BenchError, Cores
from bench.scenario import System

CODEC: Final = Quantity(
    "instructions_codec", "Instructions per 20 ms both ways: Twilio message to PCM and back", "1000"
)
INGRESS: Final = Quantity(
    "instructions_ingress",
    "Instructions per 20 ms of a listening call: Twilio message to VAD and recogniser",
    "thousands",
)

_COUNT: Final = re.compile(r"^==(\d+)== I\s+refs:\s+([\d,]+)\s*$", re.MULTILINE)


@dataclass(slots=True)
class Counted:
    """What was counted.

    Attributes:
        measured: Each system's figures, thousands of instructions.
        remarks: Why there are none.
    """

    measured: dict[System, dict[Quantity, float | None]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


async def measure_instructions(frames: tuple[int, int], cores: Cores, logs: Path) -> Counted:
    """Count both systems' instructions; without valgrind, say so.

    Args:
        frames: Frames on the codec and on the ingress path.
        cores: Both are used, one system on each, at the lowest priority.
        logs: Folder for valgrind's own logs.

    Raises:
        BenchError: A program ended early.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return Counted(remarks=["instructions were not counted: valgrind is not installed"])
    where = {System.RECIPE: cores.rest, System.OURS: cores.server}
    async with asyncio.TaskGroup() as group:
        runs = {system: group.create_task(_count(valgrind, system, frames, where[system], logs)) for system in System}
    return Counted({system: run.result() for system, run in runs.items()})


def instructions(log: str) -> dict[int, int]:
    """Return the counts in what cachegrind wrote, by process.

    Args:
        log: Its text.
    """
    return {int(pid): int(count.replace(",", "")) for pid, count in _COUNT.findall(log)}


def per_frame(done: Iterable[Mapping[str, Any]], counts: Mapping[int, int]) -> dict[Quantity, float | None]:
    """Return thousands of instructions a frame, for each path.

    Args:
        done: What `bench.instructions` wrote: process, path and number of frames; two numbers for each path.
        counts: Instructions of each process.

    Raises:
        BenchError: A count is missing.
    """
    paths: dict[str, list[tuple[int, int]]] = {}
    for entry in done:
        if entry["pid"] not in counts:
            raise BenchError("valgrind wrote no count")
        paths.setdefault(entry["path"], []).append((entry["frames"], counts[entry["pid"]]))
    per_path = {path: slope(points) for path, points in paths.items()}
    if None in per_path.values() or set(per_path) != {"codec", "ingress"}:
        raise BenchError("valgrind wrote no count")
    return {quantity: (per_path[path] or 0.0) / 1000 for quantity, path in ((CODEC, "codec"), (INGRESS, "ingress"))}


async def _count(
    valgrind: str, system: System, frames: tuple[int, int], core: int | None, logs: Path
) -> dict[Quantity, float | None]:
    log = logs / f"valgrind-{system}.log"
    log.unlink(missing_ok=True)
    command = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
    command += [sys.executable, "-m", "bench.instructions", system, *map(str, frames)]
    if core is not None:
        command.append(f"--core={core}")
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise BenchError(f"instructions of {system}: {' '.join(last) or 'it ended early'}")
    done = [json.loads(line) for line in stdout.decode().splitlines() if line.startswith("{")]
    return per_frame(done, instructions(log.read_text("utf-8", "replace")))
