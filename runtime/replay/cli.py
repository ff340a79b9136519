"""``aicall replay``: real-time callers against a media URL, and what they heard."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from adapters.media.clients.audiosocket import AudioSocketClient
from adapters.media.registry import CLIENTS
from models.errors import InvalidField
from runtime.replay.answers import judge_answers
from runtime.replay.console import print_report, progress_bar
from runtime.replay.content import PIECE_MS, References
from runtime.replay.flow import parse_script, usual_script
from runtime.replay.load import Phase, Plan, Run, rate_of, require_leg, run_plan
from runtime.replay.report import failures_of, report_of
from runtime.replay.report_html import report_page
from runtime.replay.script import AwaitReply
from runtime.replay.server_load import ServerWatch
from runtime.replay.tcp_link import uuid_of
from runtime.replay.thresholds import ANSWER_METRICS, SERVER_METRICS, Rule, judge, parse_rule
from runtime.replay.utterance import Utterance, load_utterance

EXIT_FAILED = 1
"""Exit code when a call failed."""

EXIT_USAGE = 2
"""Exit code when there was nothing to do: a bad option, an unreadable file."""

EXIT_THRESHOLD = 3
"""Exit code when every call went through, and the run broke a rule of ``--fail-if``."""

_PROTOCOLS = ", ".join(sorted(CLIENTS))


def replay_command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Media URL. For more than one call: that of an AI.")],
    wavs: Annotated[
        list[Path], typer.Argument(metavar="WAV...", help="What each caller says, one file for each turn.")
    ],
    *,
    calls: Annotated[int, typer.Option(min=1, help="How many calls to place.")] = 1,
    protocol: Annotated[str, typer.Option(help=f"Media protocol to speak: {_PROTOCOLS}.")] = "twilio",
    rate: Annotated[int | None, typer.Option(help="Sample rate of the calls, Hz. [default: the protocol's]")] = None,
    ramp: Annotated[float, typer.Option(min=0, help="Seconds over which the calls begin.")] = 0.0,
    hold: Annotated[float, typer.Option(min=0, help="Seconds that all calls stay up, repeating what they say.")] = 0.0,
    phase: Annotated[Phase, typer.Option(help="How the beginnings lie within the ramp.")] = Phase.EVEN,
    seed: Annotated[int, typer.Option(help="What random beginnings are drawn from.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
    greeting: Annotated[bool, typer.Option(help="Whether the bot speaks first.")] = True,
    barge_in: Annotated[
        float | None, typer.Option(min=0, help="Speak over each answer, this many seconds after it has begun.")
    ] = None,
    dtmf: Annotated[str, typer.Option(help="Keys to press after the greeting.")] = "",
    script_file: Annotated[
        Path | None, typer.Option("--script", help="The callers' steps; see docs/replay.md.")
    ] = None,
    speech_end: Annotated[
        list[float] | None, typer.Option(help="Where the speech of each WAV ends, seconds. [default: found]")
    ] = None,
    expect: Annotated[
        list[Path] | None, typer.Option(help="Recording of what the bot should say; may be given often.")
    ] = None,
    check_speech: Annotated[bool, typer.Option(help="Whether to check that what came back sounds like speech.")] = True,
    pid: Annotated[int | None, typer.Option(min=1, help="Process id of the server, to watch what it takes.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Fail when this is true, as 'v2v_p95_ms>500'; may be given often.")
    ] = None,
    answer_timeout: Annotated[float, typer.Option(min=0.1, help="Longest wait for an answer, seconds.")] = 15.0,
    quiet: Annotated[float, typer.Option(min=0.1, help="Silence after which the bot has finished, seconds.")] = 1.2,
    header: Annotated[list[str] | None, typer.Option(help="Extra 'Name: value' of the upgrade request.")] = None,
    from_: Annotated[str, typer.Option("--from", help="Calling number.")] = "",
    to: Annotated[str, typer.Option(help="Called number.")] = "",
) -> None:
    """Replay caller audio in real time over one or many calls, and report what the callers heard."""
    console = Console(stderr=True)
    try:
        _check_url(url, protocol)
        _check_folders(json_file, html_file)
        rules = _rules(
            fail_if or [], expected=bool(expect), judged=bool(expect) or check_speech, watched=pid is not None
        )
        rate_hz = rate_of(protocol) if rate is None else rate
        require_leg(protocol, rate_hz)
        reply = AwaitReply(timeout_s=answer_timeout, quiet_s=quiet)
        utterances = _utterances(wavs, rate_hz, speech_end or [])
        references = _references(expect or [], rate_hz)
        if script_file:
            if barge_in is not None or dtmf or not greeting:
                raise InvalidField("script", "says everything itself: without --barge-in, --dtmf and --no-greeting")
            script = parse_script(_text(script_file), utterances, reply)
        else:
            script = usual_script(utterances, reply, greeting=greeting, digits=dtmf, barge_in_s=barge_in)
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
            hold_s=hold,
            phase=phase,
            seed=seed,
            keep_speech=check_speech or references is not None,
        )
        run = _run(plan, console, ServerWatch(pid) if pid is not None else None)
    except InvalidField as error:
        typer.echo(f"{error.field}: {error.message}", err=True)
        raise typer.Exit(EXIT_USAGE) from None
    run = replace(run, answers=judge_answers(run.records, references))
    report = report_of(run)
    verdicts = judge(rules, report)
    report["thresholds"] = [
        {"rule": str(verdict.rule), "value": verdict.value, "failed": verdict.failed} for verdict in verdicts
    ]
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    if html_file:
        html_file.write_text(report_page(run, verdicts), "utf-8")
    failures = failures_of(run.records)
    out = Console()
    print_report(report, [group.line(calls) for group in failures], out)
    broken = [verdict for verdict in verdicts if verdict.failed]
    for verdict in broken:
        out.print(Text(f"threshold {verdict}", style="bold red"))
    if failures and not any(rule.metric.startswith("failed") for rule in rules):
        raise typer.Exit(EXIT_FAILED)
    if broken:
        raise typer.Exit(EXIT_THRESHOLD)


def _run(plan: Plan, console: Console, watch: ServerWatch | None) -> Run:
    # What is there by now lives to the end: it need not be searched for garbage while callers wait.
    gc.freeze()
    try:
        with progress_bar(plan, console) as update:
            return asyncio.run(run_plan(plan, update, watch=watch))
    finally:
        gc.unfreeze()


def _rules(texts: Sequence[str], *, expected: bool, judged: bool, watched: bool) -> list[Rule]:
    rules = [parse_rule(text) for text in texts]
    for rule in rules:
        if rule.metric in SERVER_METRICS and not watched:
            raise InvalidField("fail-if", f"{rule.metric} needs --pid")
        if rule.metric == "not_speech" and not judged:
            raise InvalidField("fail-if", f"{rule.metric} needs --check-speech")
        if rule.metric.startswith("mismatched") and not expected:
            raise InvalidField("fail-if", f"{rule.metric} needs --expect")
    if expected and not any(rule.metric in ANSWER_METRICS for rule in rules):
        rules.append(parse_rule("mismatched>0"))
    return rules


def _utterances(wavs: Sequence[Path], rate_hz: int, ends_s: Sequence[float]) -> list[Utterance]:
    utterances = [load_utterance(wav, rate_hz) for wav in wavs]
    if not ends_s:
        return utterances
    if len(ends_s) != len(utterances):
        raise InvalidField("speech-end", "is given for each WAV or for none")
    for utterance, end_s in zip(utterances, ends_s, strict=True):
        if not utterance.speech_start_ms < end_s * 1000 <= utterance.duration_ms:
            raise InvalidField("speech-end", f"does not lie within the speech of {utterance.label}")
    return [replace(it, speech_end_ms=end_s * 1000) for it, end_s in zip(utterances, ends_s, strict=True)]


def _references(files: Sequence[Path], rate_hz: int) -> References | None:
    recordings = [load_utterance(file, rate_hz) for file in files]
    for file, recording in zip(files, recordings, strict=True):
        if recording.speech_end_ms - recording.speech_start_ms < PIECE_MS:
            raise InvalidField(str(file), f"holds less than {PIECE_MS} ms of speech, too little to compare")
    return References(recordings) if recordings else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField(str(file), "cannot be read as UTF-8 text") from error


def _check_url(url: str, protocol: str) -> None:
    if protocol == AudioSocketClient.name:
        uuid_of(url)
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise InvalidField("url", "must look like ws://HOST:PORT/PATH or wss://HOST/PATH")


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
