"""A run on the terminal: the progress bar while it goes on, the table when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from runtime.replay.load import Plan
from runtime.replay.load import Progress as Standing

ROWS: Final = (
    ("setup", "setup_ms"),
    ("first audio", "first_audio_ms"),
    ("greeting heard", "greeting_ms"),
    ("voice to voice", "voice_to_voice_ms"),
    ("keys to voice", "keys_to_voice_ms"),
    ("barge-in to silence", "barge_in_stop_ms"),
    ("barge-in to clear", "barge_in_clear_ms"),
    ("gaps", "gaps_ms"),
    ("late messages", "late_ms"),
    ("sent ahead of time", "lead_ms"),
)
"""Distributions of the report, in the order in which they are shown: name for people, key of the report."""

COLUMNS: Final = ("count", "p50", "p90", "p95", "p99", "max")
"""Figures of a distribution that are shown."""

_REFRESH_PER_S: Final = 2


@contextmanager
def progress_bar(
    plan: Plan, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Standing], None]]:
    """Show a bar that grows with each turn that a caller takes; with the time when the calls are held.

    Args:
        plan: The run.
        console: Where to.
        clock: The time, seconds.

    Yields:
        What to give each new standing to.
    """
    whole_s = plan.ramp_s + plan.hold_s if plan.hold_s else 0.0
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("turns {task.fields[turns]}"),
        TextColumn("calls {task.fields[talking]} up, {task.fields[ended]}/{task.fields[calls]} done"),
        TextColumn("{task.fields[failures]}"),
        TimeElapsedColumn(),
    )
    # Each rendering holds up the calls for some milliseconds, so there are few.
    with Progress(*columns, console=console, transient=True, refresh_per_second=_REFRESH_PER_S) as progress:
        total = whole_s or plan.turns
        task = progress.add_task("replay", total=total, turns=0, talking=0, ended=0, calls=plan.calls, failures="")
        begun_s = clock()

        def update(standing: Standing) -> None:
            progress.update(
                task,
                completed=min(clock() - begun_s, whole_s) if whole_s else standing.turns,
                turns=standing.turns if whole_s else f"{standing.turns}/{plan.turns}",
                talking=standing.talking,
                ended=standing.ended,
                failures=f"[red]{standing.failed} failed" if standing.failed else "",
            )

        yield update


def print_report(report: dict[str, Any], failures: list[str], console: Console) -> None:
    """Print a run's table, its remarks and its failures.

    Args:
        report: What `runtime.replay.report.report_of` returned.
        failures: One line for each distinct failure.
        console: Where to.
    """
    calls = f"{report['calls']} call{'s' if report['calls'] > 1 else ''}"
    title = f"{calls} over {report['protocol']}, {report['ok']} ok, {report['duration_s']:.1f} s"
    table = Table(title=Text(title), caption="milliseconds, as the caller heard it", title_justify="left")
    table.add_column("")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name, key in ROWS:
        figures = report[key]
        if figures["count"] or key in {"gaps_ms", "late_ms"}:
            table.add_row(name, *(_figure(figures[column], column) for column in COLUMNS))
    console.print(table)
    for line in _facts(report):
        console.print(Text(line))
    for remark in report["remarks"]:
        console.print(Text(remark, style="yellow"))
    for line in failures:
        console.print(Text(line, style="bold red"))


def _facts(report: dict[str, Any]) -> list[str]:
    lines = []
    if answers := report["answers"]:
        line = f"bot audio: {answers['speech']} of {answers['judged']} stretches are speech"
        if answers["compared"]:
            same = answers["compared"] - answers["mismatched"]
            line += f"; {same} of {answers['compared']} are what was expected, similarity {answers['similarity']:.2f}"
        lines.append(line)
    if server := report["server"]:
        per_call = server["cpu_per_call_percent"]
        each = f", {per_call:.2f} % a call" if per_call is not None else ""
        lines.append(
            f"server: processor {server['cpu_mean_percent']:.0f} % of a core (at most {server['cpu_max_percent']:.0f} %"
            f"{each}), memory {server['rss_max_mb']:.0f} MB (grew by {server['rss_growth_mb']:.0f} MB)"
        )
    harness = report["harness"]
    if report["duration_s"] and harness["lag_ms"]["count"]:
        share = 100 * harness["cpu_s"] / report["duration_s"]
        lines.append(f"harness: {share:.0f} % of a core, frames late by {harness['lag_ms']['p99']:.1f} ms (p99)")
    return lines


def _figure(value: float | None, column: str) -> str:
    if value is None:
        return "-"
    return str(value) if column == "count" else f"{value:.0f}"
