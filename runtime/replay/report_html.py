"""The report of a run as one HTML page: percentiles, histograms, and every call as a strip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from runtime.replay.analysis import Distribution, measure_run
from runtime.replay.console import ROWS
from runtime.replay.content import SoundKind
from runtime.replay.load import Run
from runtime.replay.page import escape, page
from runtime.replay.plots import Series, curves, scatter, steps
from runtime.replay.report import failures_of, report_of
from runtime.replay.thresholds import Verdict

_FIGURES: Final = ("count", "min", "p50", "p90", "p95", "p99", "max")
_CARDS: Final = (
    ("voice to voice", "voice_to_voice_ms"),
    ("barge-in to silence", "barge_in_stop_ms"),
    ("setup", "setup_ms"),
    ("greeting heard", "greeting_ms"),
)
_HISTOGRAMS: Final = (
    ("voice to voice", "voice_to_voice_ms", "from the caller's last voiced sample to the bot's first audible one"),
    ("barge-in to silence", "barge_in_stop_ms", "from the caller's first voiced sample to the bot's last audible one"),
    ("setup", "setup_ms", "from the first packet to the accepted WebSocket"),
    ("greeting heard", "greeting_ms", "from the first packet to the first audible audio"),
    ("gaps", "gaps_ms", "playback ran dry within speech"),
    ("sent ahead of time", "lead_ms", "audio that still waited when the next came"),
    ("late messages", "late_ms", "after the time at which they should have been played"),
    ("keys to voice", "keys_to_voice_ms", "from the last key to the bot's first audible sample"),
    ("harness lag", "lag_ms", "how late the harness itself was with its own frames"),
)
_LATENCIES: Final = ("Latency over time", "from the end of each turn to its answer, by the time of the turn")
_SERVER: Final = (("Server: processor", "cpu_percent", "% of a core"), ("Server: memory", "rss_mb", "MB"))
_BINS: Final = 32
_WIDTH: Final = 520
_HEIGHT: Final = 130
_SHOWN_CALLS: Final = 200


def report_page(run: Run, verdicts: Sequence[Verdict] = ()) -> str:
    """Return the report of a run as an HTML document without any outside reference.

    Args:
        run: The run.
        verdicts: What the rules of ``--fail-if`` say of it.
    """
    report = report_of(run)
    metrics = measure_run(run.records)
    histograms = [
        _histogram(name, note, getattr(metrics, key)) for name, key, note in _HISTOGRAMS if getattr(metrics, key).values
    ]
    lines = [group.line(run.plan.calls) for group in failures_of(run.records)]
    cards = "".join(_card(name, report[key]) for name, key in _CARDS if report[key]["count"])
    body = [
        "<main>",
        _heading(report),
        _notes("failed", lines),
        _notes("failed", (f"threshold {verdict}" for verdict in verdicts if verdict.failed)),
        _notes("remark", report["remarks"]),
        f'<section class="cards">{cards}</section>',
        _latencies(report),
        *_server(report),
        f'<section class="panel"><h2>Percentiles</h2>{_table(report)}</section>',
        f'<section class="grid">{"".join(histograms)}</section>',
        _answers(report["answers"]),
        _thresholds(verdicts),
        _strips(report),
        "</main>",
    ]
    return page(f"aicall replay: {report['url']}", "\n".join(body), styles=("base.css", "report.css"))


def _latencies(report: dict[str, Any]) -> str:
    turns = [
        (call["begun_s"] + (call["setup_ms"] + end_ms) / 1000, turn["reply_ms"], turn["barge_in"])
        for call in report["per_call"]
        if call["begun_s"] is not None and call["setup_ms"] is not None
        for turn, (_, end_ms) in zip(call["turns"], call["caller_speech_ms"], strict=False)
        if turn["reply_ms"] is not None
    ]
    series = [
        Series("answers", [(at_s, reply_ms) for at_s, reply_ms, over in turns if not over]),
        Series("answers to barge-ins", [(at_s, reply_ms) for at_s, reply_ms, over in turns if over], "second"),
    ]
    return f'<div class="points">{scatter(*_LATENCIES, series, end_s=report["duration_s"])}</div>'


def _server(report: dict[str, Any]) -> list[str]:
    end_s, server = report["duration_s"], report["server"]
    changes = []
    for call in report["per_call"]:
        if call["begun_s"] is not None and call["setup_ms"] is not None:
            begun_s = call["begun_s"] + call["setup_ms"] / 1000
            changes += [(begun_s, 1), (begun_s + call["ended_ms"] / 1000, -1)]
    up = [Series("calls up", steps(changes))] if changes else []
    plots = [curves("Calls", "calls that were up", up, end_s=end_s)]
    if server:
        for title, key, unit in _SERVER:
            points = [(sample["at_s"], sample[key]) for sample in server["samples"]]
            plots.append(curves(title, "with its children", [Series(title, points, "second")], end_s=end_s, unit=unit))
    return plots


def _answers(answers: dict[str, Any] | None) -> str:
    if not answers or not answers["stretches"]:
        return ""
    kinds = ", ".join(f"{answers[kind]} {kind}" for kind in SoundKind if answers[kind])
    lines = [f"{answers['stretches']} stretches of the bot's audio: {kinds}."]
    if answers["compared"]:
        same = answers["compared"] - answers["mismatched"]
        lines.append(
            f"{same} of {answers['compared']} are what was expected, mean similarity {answers['similarity']:.2f}."
        )
        lines += [f"{label}: heard {count} times" for label, count in answers["heard"].items()]
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<section class="panel"><h2>What came back</h2>{text}</section>'


def _thresholds(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return ""
    rows = "".join(
        f"<tr><th>{escape(verdict.rule)}</th><td>{'-' if verdict.value is None else f'{verdict.value:.4g}'}</td>"
        f"<td>{'failed' if verdict.failed else 'ok'}</td></tr>"
        for verdict in verdicts
    )
    return (
        '<section class="panel"><h2>Thresholds</h2><table><thead><tr><th>fails when</th><th>value</th><th></th></tr>'
        f"</thead><tbody>{rows}</tbody></table></section>"
    )


def _heading(report: dict[str, Any]) -> str:
    verdict = "all calls ok" if not report["failed"] else f"{report['failed']} of {report['calls']} calls failed"
    state = "good" if not report["failed"] else "bad"
    about = (
        f"{report['calls']} calls, {report['protocol']} at {report['sample_rate_hz']} Hz, ramp {report['ramp_s']:g} s "
        f"({report['phase']}), hold {report['hold_s']:g} s, "
        f"{report['duration_s']:.1f} s from {report['tm_start']}"
    )
    return (
        f'<header><h1>Replay <span class="badge {state}">{escape(verdict)}</span></h1>'
        f'<p class="muted"><code>{escape(report["url"])}</code></p><p class="muted">{escape(about)}</p></header>'
    )


def _notes(kind: str, lines: Iterable[str]) -> str:
    return "".join(f'<p class="note {kind}">{escape(line)}</p>' for line in lines)


def _card(name: str, figures: dict[str, Any]) -> str:
    return (
        f'<div class="card"><h3>{escape(name)}</h3><p class="value">{figures["p50"]:.0f}<small>ms p50</small></p>'
        f'<p class="muted">p95 {figures["p95"]:.0f} · p99 {figures["p99"]:.0f} · max {figures["max"]:.0f}</p></div>'
    )


def _table(report: dict[str, Any]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("", *_FIGURES))
    rows = []
    for name, key in (*ROWS, ("harness lag", "lag_ms")):
        figures = report["harness"]["lag_ms"] if key == "lag_ms" else report[key]
        cells = "".join(f"<td>{_cell(figures[column], column)}</td>" for column in _FIGURES)
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    return f'<table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table><p class="muted">ms</p>'


def _cell(value: float | None, column: str) -> str:
    if value is None:
        return "-"
    return str(value) if column == "count" else f"{value:.1f}"


def _histogram(name: str, note: str, values: Distribution) -> str:
    low, high = values.values[0], values.values[-1]
    if high - low < 1:
        low, high = low - 0.5, low + 0.5
    counts, edges = np.histogram(values.values, bins=_BINS, range=(low, high))
    bar, top = _WIDTH / _BINS, max(int(counts.max()), 1)
    bars = "".join(
        f'<rect class="bar" x="{at * bar + 0.5:.1f}" width="{bar - 1:.1f}" y="{_HEIGHT - _HEIGHT * count / top:.1f}" '
        f'height="{_HEIGHT * count / top:.1f}"><title>{edges[at]:.1f} to {edges[at + 1]:.1f} ms: {count}</title></rect>'
        for at, count in enumerate(counts)
        if count
    )
    lines = "".join(_percentile_line(values, percent, low, high) for percent in (50, 95))
    return (
        f'<figure class="panel"><h2>{escape(name)}</h2><p class="muted">{escape(note)}; n = {len(values.values)}</p>'
        f'<svg viewBox="0 -16 {_WIDTH} {_HEIGHT + 36}" role="img" aria-label="Histogram of {escape(name)}">'
        f'{bars}<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{lines}'
        f'<text class="tick" x="0" y="{_HEIGHT + 16}">{low:.0f} ms</text>'
        f'<text class="tick" x="{_WIDTH}" y="{_HEIGHT + 16}" text-anchor="end">{high:.0f} ms</text></svg></figure>'
    )


def _percentile_line(values: Distribution, percent: float, low: float, high: float) -> str:
    value = values.percentile(percent)
    if value is None:
        return ""
    at = _WIDTH * (value - low) / (high - low)
    anchor = "end" if at > _WIDTH / 2 else "start"
    # The median's label stands lower, so that the two do not cover each other where they meet.
    label_y = -4 if percent > 50 else 10
    return (
        f'<line class="percentile" x1="{at:.1f}" x2="{at:.1f}" y1="-14" y2="{_HEIGHT}"/>'
        f'<text class="percentile" x="{at:.1f}" y="{label_y}" dx="{-4 if anchor == "end" else 4}" '
        f'text-anchor="{anchor}">p{percent} {value:.0f}</text>'
    )


def _strips(report: dict[str, Any]) -> str:
    calls = report["per_call"]
    longest_ms = max((call["ended_ms"] for call in calls), default=0.0) or 1.0
    rows = "".join(_strip(call, longest_ms) for call in calls[:_SHOWN_CALLS])
    more = f'<p class="muted">{len(calls) - _SHOWN_CALLS} more calls</p>' if len(calls) > _SHOWN_CALLS else ""
    legend = (
        '<p class="muted legend"><i class="caller"></i>caller <i class="bot"></i>bot <i class="clear"></i>clear'
        f"&ensp;0 to {longest_ms / 1000:.1f} s, from the opening of each stream</p>"
    )
    return f'<section class="panel"><h2>Calls</h2>{legend}{rows}{more}</section>'


def _strip(call: dict[str, Any], longest_ms: float) -> str:
    def bars(kind: str, spans: Sequence[Sequence[float]], top: int) -> str:
        return "".join(
            f'<rect class="{kind}" x="{1000 * start / longest_ms:.1f}" y="{top}" height="8" '
            f'width="{max(1000 * (end - start) / longest_ms, 1.5):.1f}"/>'
            for start, end in spans
        )

    clears = "".join(
        f'<line class="clear" x1="{1000 * at / longest_ms:.1f}" x2="{1000 * at / longest_ms:.1f}" y1="0" y2="20"/>'
        for at in call["clears_ms"]
    )
    length = 1000 * call["ended_ms"] / longest_ms
    about = call["failure"] or ", ".join(
        f"{turn['reply_ms']:.0f} ms" for turn in call["turns"] if turn["reply_ms"] is not None
    )
    state = "bad" if call["failure"] else ""
    return (
        f'<div class="strip"><span class="number">{call["call"]}</span>'
        f'<svg viewBox="0 0 1000 20" preserveAspectRatio="none"><rect class="track" width="{length:.1f}" height="20"/>'
        f"{bars('caller', call['caller_speech_ms'], 1)}{bars('bot', call['bot_speech_ms'], 11)}{clears}</svg>"
        f'<span class="about {state}">{escape(about)}</span></div>'
    )
