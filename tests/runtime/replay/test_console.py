from __future__ import annotations

import io

import pytest
from rich.console import Console

from runtime.replay.console import print_report, progress_bar
from runtime.replay.load import Plan, Progress
from runtime.replay.record import FailureKind
from runtime.replay.report import report_of
from runtime.replay.script import Say
from tests.runtime.replay.bots import utterance
from tests.runtime.replay.runs import answered, failed, record, run, watched


def console() -> Console:
    return Console(file=io.StringIO(), width=120, force_terminal=False, color_system=None)


def printed(target: Console) -> str:
    assert isinstance(target.file, io.StringIO)
    return target.file.getvalue()


def bar_at(elapsed_s: float) -> int:
    """How long the bar of a held run is at its end, in cells."""
    target = Console(file=io.StringIO(), width=160, force_terminal=True, color_system=None)
    now_s = iter([100.0, 100.0 + elapsed_s])
    plan = Plan(url="", script=(Say(utterance()),), calls=2, ramp_s=10.0, hold_s=40.0)
    with progress_bar(plan, target, lambda: next(now_s)) as update:
        update(Progress(turns=7, talking=2))
    assert "turns 7 " in printed(target)
    return next(line for line in reversed(printed(target).splitlines()) if "turns 7 " in line).count("━")


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


def test_a_held_run_is_measured_in_time() -> None:
    whole = bar_at(50.0)
    assert bar_at(25.0) == pytest.approx(whole / 2, abs=1)
    assert bar_at(60.0) == whole > 10


def test_what_was_heard_and_watched_is_told() -> None:
    target = console()
    print_report(report_of(watched(answered(run(record(0), record(1))))), [], target)
    text = " ".join(printed(target).split())
    assert "bot audio: 1 of 2 stretches are speech; 1 of 2 are what was expected, similarity 0.69" in text
    assert "server: processor 23 % of a core (at most 40 %, 7.50 % a call), memory 130 MB (grew by 12 MB)" in text
    assert "harness: 2 % of a core, frames late by 1.5 ms (p99)" in text
