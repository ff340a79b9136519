"""``aicall replay``: real-time callers against a media URL, and what they heard."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.errors import InvalidField
from runtime.replay.console import print_report, progress_bar
from runtime.replay.load import Plan, Run, rate_of, run_plan
from runtime.replay.report import failures_of, report_of
from runtime.replay.report_html import report_page
from runtime.replay.script import AwaitReply, conversation
from runtime.replay.utterance import load_utterance

EXIT_FAILED = 1
"""Exit code when a call failed."""

EXIT_USAGE = 2
"""Exit code when there was nothing to do: a bad option, an unreadable file."""


def replay_command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Media URL. For more than one call: that of an AI.")],
    wavs: Annotated[
        list[Path], typer.Argument(metavar="WAV...", help="What each caller says, one file for each turn.")
    ],
    *,
    calls: Annotated[int, typer.Option(min=1, help="How many calls to place.")] = 1,
    protocol: Annotated[str, typer.Option(help="Media protocol to speak: twilio or plain.")] = "twilio",
    ramp: Annotated[float, typer.Option(min=0, help="Seconds over which the calls begin.")] = 0.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
    greeting: Annotated[bool, typer.Option(help="Whether the bot speaks first.")] = True,
    answer_timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait for an answer, seconds.")] = 15.0,
    quiet: Annotated[float, typer.Option(min=0.1, help="Silence after which the bot has finished, seconds.")] = 1.2,
    header: Annotated[list[str] | None, typer.Option(help="Extra 'Name: value' of the upgrade request.")] = None,
    from_: Annotated[str, typer.Option("--from", help="Calling number.")] = "",
    to: Annotated[str, typer.Option(help="Called number.")] = "",
) -> None:
    """Replay caller audio in real time over one or many calls, and report what the callers heard."""
    console = Console(stderr=True)
    try:
        _check_folders(json_file, html_file)
        rate_hz = rate_of(protocol)
        reply = AwaitReply(timeout_s=answer_timeout, quiet_s=quiet)
        script = conversation((load_utterance(wav, rate_hz) for wav in wavs), reply=reply, greeting=greeting)
        plan = Plan(
            url=url,
            script=script,
            protocol=protocol,
            sample_rate_hz=rate_hz,
            calls=calls,
            ramp_s=ramp,
            from_=from_,
            to=to,
            headers=_headers(header or []),
        )
        run = _run(plan, console)
    except InvalidField as error:
        typer.echo(f"{error.field}: {error.message}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    report = report_of(run)
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if html_file:
        html_file.write_text(report_page(run), "utf-8")
    failures = failures_of(run.records)
    print_report(report, [group.line(calls) for group in failures], Console())
    if failures:
        raise typer.Exit(EXIT_FAILED)


def _run(plan: Plan, console: Console) -> Run:
    with progress_bar(plan, console) as update:
        return asyncio.run(run_plan(plan, update))


def _check_folders(*files: Path | None) -> None:
    """Refuse what could not be written before the calls are placed, not after."""
    for file in files:
        if file and not file.parent.is_dir():
            raise InvalidField(str(file), "its folder does not exist")


def _headers(lines: list[str]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidField("header", "must look like 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers
