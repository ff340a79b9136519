"""What makes a run fail: rules like ``v2v_p95_ms > 500`` on the figures of its report."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from models.errors import InvalidField

DISTRIBUTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "v2v": "voice_to_voice_ms",
        "barge_in_stop": "barge_in_stop_ms",
        "barge_in_clear": "barge_in_clear_ms",
        "setup": "setup_ms",
        "first_audio": "first_audio_ms",
        "greeting": "greeting_ms",
        "keys": "keys_to_voice_ms",
        "gaps": "gaps_ms",
        "late": "late_ms",
        "lead": "lead_ms",
    }
)
"""Names in rules, and the report's key of each: ``<name>_<figure>_ms`` and ``<name>_count``."""

FIGURES: Final = ("min", "mean", "p50", "p90", "p95", "p99", "max")
"""Figures of a distribution that a rule may name."""

SERVER_METRICS: Final = (
    "server_cpu_mean_percent",
    "server_cpu_max_percent",
    "server_cpu_per_call_percent",
    "server_rss_max_mb",
    "server_rss_growth_mb",
)
"""Metrics that need the server's process to be watched."""

ANSWER_METRICS: Final = ("not_speech", "mismatched", "mismatched_percent")
"""Metrics that need the bot's audio to be judged."""

_PLAIN: Final = ("failed", "failed_percent", "late_percent", "barge_ins_ignored", "answered_early")
_FAULTS: Final = ("gaps", "late")
"""Distributions of what should not happen at all: without a value, a rule takes them as 0."""

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        ">": operator.gt,
        "<": operator.lt,
    }
)
_RULE: Final = re.compile(r"\s*(\w+)\s*(>=|<=|==|!=|>|<)\s*(-?\d{1,12}(?:\.\d{1,12})?)\s*")

METRICS: Final = frozenset(
    {f"{name}_{figure}_ms" for name in (*DISTRIBUTIONS, "harness_lag") for figure in FIGURES}
    | {f"{name}_count" for name in DISTRIBUTIONS}
    | {*_PLAIN, *SERVER_METRICS, *ANSWER_METRICS}
)
"""Every name that a rule may use."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The run fails when this is true.

    Attributes:
        metric: One of `METRICS`.
        comparison: ``>``, ``>=``, ``<``, ``<=``, ``==`` or ``!=``.
        limit: The number on its right.
    """

    metric: str
    comparison: str
    limit: float

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.metric}{self.comparison}{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of a run.

    Attributes:
        rule: The rule.
        value: The metric; None when the run has none.
    """

    rule: Rule
    value: float | None

    @property
    def failed(self) -> bool:
        """Whether the run fails by it. What was never measured was not good enough."""
        return self.value is None or _COMPARISONS[self.rule.comparison](self.value, self.rule.limit)

    def __str__(self) -> str:
        """One line for people."""
        value = "was not measured in this run" if self.value is None else f"is {self.value:.4g}"
        return f"{self.rule}: {self.rule.metric} {value}"


def parse_rule(text: str) -> Rule:
    """Read a rule: a metric, a comparison, a number.

    Raises:
        InvalidField: Field ``fail-if``: not of this form, or no such metric.
    """
    found = _RULE.fullmatch(text)
    if not found:
        raise InvalidField("fail-if", f"must look like 'v2v_p95_ms>500', not {text!r}")
    metric, comparison, limit = found.groups()
    if metric not in METRICS:
        near = difflib.get_close_matches(metric, sorted(METRICS), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise InvalidField("fail-if", f"unknown metric {metric!r}{hint}")
    return Rule(metric, comparison, float(limit))


def judge(rules: Sequence[Rule], report: Mapping[str, Any]) -> list[Verdict]:
    """Hold rules against the report of a run (`runtime.replay.report.report_of`)."""
    values = metrics_of(report)
    return [Verdict(rule, values.get(rule.metric)) for rule in rules]


def metrics_of(report: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the value of every metric that the report of a run has; None for what had no value."""
    values: dict[str, float | None] = {}
    for name, key in DISTRIBUTIONS.items():
        values[f"{name}_count"] = report[key]["count"]
        values |= _figures(name, report[key], 0.0 if name in _FAULTS else None)
    values |= _figures("harness_lag", report["harness"]["lag_ms"], None)
    calls, messages, answers = report["calls"], report["audio_messages"], report["answers"]
    values |= {
        "failed": report["failed"],
        "failed_percent": 100 * report["failed"] / calls if calls else None,
        "late_percent": 100 * report["late_ms"]["count"] / messages if messages else None,
        "barge_ins_ignored": report["barge_ins_ignored"],
        "answered_early": report["answered_early"],
    }
    if answers:
        compared = answers["compared"]
        values |= {
            "not_speech": answers["tone"] + answers["noise"],
            "mismatched": answers["mismatched"] if compared else None,
            "mismatched_percent": 100 * answers["mismatched"] / compared if compared else None,
        }
    if report["server"]:
        values |= {metric: report["server"][metric.removeprefix("server_")] for metric in SERVER_METRICS}
    return values


def _figures(name: str, figures: Mapping[str, float | None], default: float | None) -> dict[str, float | None]:
    return {f"{name}_{figure}_ms": default if figures[figure] is None else figures[figure] for figure in FIGURES}
