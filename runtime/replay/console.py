"""A run on the terminal: the progress bar while it goes on, the table when it is over."""

from __future__ import annotations

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
)
"""Distributions of the report, in the order in which they are shown: name for people, key of the report."""

COLUMNS: Final = ("count", "p50", "p90", "p95", "p99", "max")
"""Figures of a distribution that are shown."""


@contextmanager
def progress_bar(plan: Plan, console: Console) -> Iterator[Callable[[Standing], None]]:
    """Show a bar that grows with each turn that a caller takes.

    Yields:
        What to give each new standing to.
    """
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("turns {task.completed:.0f}/{task.total:.0f}"),
        TextColumn("calls {task.fields[talking]} up, {task.fields[ended]}/{task.fields[calls]} done"),
        TextColumn("{task.fields[failures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replay", total=plan.turns, talking=0, ended=0, calls=plan.calls, failures="")

        def update(standing: Standing) -> None:
            progress.update(
                task,
                completed=standing.turns,
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
    for remark in report["remarks"]:
        console.print(Text(remark, style="yellow"))
    for line in failures:
        console.print(Text(line, style="bold red"))


def _figure(value: float | None, column: str) -> str:
    if value is None:
        return "-"
    return str(value) if column == "count" else f"{value:.0f}"
