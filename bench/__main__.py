"""``python -m bench`` (``make bench``): measure upstream's recipe and this runtime side by side."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from loguru import logger
from rich.console import Console

from bench.machine import describe_machine
from bench.plot import plot
from bench.processes import BenchError, Cores
from bench.report import document, markdown, table
from bench.run import Bench, Part
from bench.scenario import FULL, QUICK
from models.errors import AicallError

PLOT = "calls.svg"
"""File name of the plot."""


def main() -> int:
    """Run it; return the exit code: 0 unless something could not be measured. Figures are reported, not judged."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most four minutes, rough figures")
    parser.add_argument("--only", type=Part, choices=list(Part), action="append", help="measure this, repeatable")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for the reports and logs")
    options = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    cores = Cores.choose()
    machine = describe_machine(cores)
    cores.pin_this_process()
    bench = Bench(
        effort=QUICK if options.quick else FULL,
        parts=frozenset(options.only or Part),
        cores=cores,
        logs=options.out.resolve(),
        console=console,
    )
    begun_s = time.monotonic()
    failure = None
    try:
        asyncio.run(bench.run())
    except KeyboardInterrupt:
        failure = "interrupted"
    except BenchError as error:
        failure = str(error)
    except AicallError as error:
        failure = error.message
    effort = "quick" if options.quick else "full"
    report = document(bench.figures, bench.climbs, machine, duration_s=time.monotonic() - begun_s, effort=effort)
    (options.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    steps = {system: climb.merged() for system, climb in bench.climbs.items()}
    drawn = any(steps.values())
    if drawn:
        knees = {system: climb.knee.calls for system, climb in bench.climbs.items()}
        (options.out / PLOT).write_text(plot(steps, knees), "utf-8")
    text = markdown(bench.figures, bench.climbs, machine, plot=PLOT if drawn else None)
    (options.out / "report.md").write_text(text, "utf-8")
    if bench.figures.values:
        Console().print(table(bench.figures))
    for remark in [*bench.figures.remarks, *bench.broken, *filter(None, [failure])]:
        console.print(remark, highlight=False)
    console.print(f"reports: {options.out / 'report.md'}, {options.out / 'report.json'}", highlight=False)
    return 1 if bench.broken or failure else 0


if __name__ == "__main__":
    sys.exit(main())
