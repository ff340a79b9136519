from __future__ import annotations

import io

from rich.console import Console

from runtime.replay.console import print_report, progress_bar
from runtime.replay.load import Plan, Progress
from runtime.replay.record import FailureKind
from runtime.replay.report import report_of
from runtime.replay.script import Say
from tests.runtime.replay.bots import utterance
from tests.runtime.replay.runs import failed, record, run


def console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False, color_system=None)


def printed(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def test_the_table_shows_percentiles() -> None:
    target = console()
    print_report(report_of(run(record(0), record(1))), [], target)
    rows = {line.split("│")[1].strip(): line.split() for line in printed(target).splitlines() if "│" in line}
    assert "300" in rows["voice to voice"]
    assert "400" in rows["voice to voice"]
    assert "240" in rows["barge-in to silence"]
    assert "keys to voice" not in rows
    assert "2 calls over twilio, 2 ok, 12.5 s" in printed(target)


def test_failures_stand_last_and_are_no_markup() -> None:
    target = console()
    report = report_of(run(failed(0, FailureKind.REFUSED, "[red]no[/red]")))
    print_report(report, ["call failed, refused: [red]no[/red]"], target)
    assert printed(target).splitlines()[-1] == "call failed, refused: [red]no[/red]"
    assert "1 call over twilio, 0 ok" in printed(target)


def test_gaps_are_told_when_there_are_none() -> None:
    target = console()
    print_report(report_of(run(record(gaps=[]))), [], target)
    row = next(line for line in printed(target).splitlines() if "gaps" in line)
    assert row.replace("│", " ").split() == ["gaps", "0", "-", "-", "-", "-", "-"]


def test_the_bar_follows_the_calls() -> None:
    target = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    with progress_bar(Plan(url="", script=(Say(utterance()),) * 2, calls=3), target) as update:
        update(Progress(turns=4, talking=2, ended=1, failed=1))
    assert "turns 4/6" in printed(target)
    assert "calls 2 up, 1/3 done" in printed(target)
    assert "1 failed" in printed(target)
