"""What each media protocol costs a call, compared with Twilio's in the same run.

``python -m bench.protocols [--rounds 9] [--seconds 20]``: both ways through each protocol in each of its settings, as
the runtime does it fifty times a second: the caller's messages are read, and the bot's audio is written. Each round
measures every setting; a setting's figure is the median over the rounds of its processor time against Twilio's of the
same round. The WebSocket below and the pipeline above are not in it: they cost the same whatever the protocol.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any, Final

from adapters.media.base import Message
from bench.machine import describe_machine
from bench.processes import Cores
from tests.adapters.media.pairs import SETTINGS, Setting

REFERENCE: Final = "twilio"
"""The setting that the others are compared with."""

_SAMPLE_SHAPE: Final = 251
"""Length of the pattern that stands for speech, bytes: no codec may find it cheap."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one second of a call costs.

    Attributes:
        in_us: To read the caller's audio, microseconds of processor time.
        out_us: To write the bot's.
    """

    in_us: float
    out_us: float

    @property
    def both_us(self) -> float:
        """Both ways, microseconds."""
        return self.in_us + self.out_us


def measure(setting: Setting, seconds: int) -> Cost:
    """Take so many seconds of audio through a protocol, both ways.

    Args:
        setting: The protocol, its codec and rate.
        seconds: How much audio.
    """
    pair = setting.open_pair()
    pcm = (bytes(range(_SAMPLE_SHAPE)) * (setting.second_bytes * seconds // _SAMPLE_SHAPE + 1))[
        : setting.second_bytes * seconds
    ]
    step = setting.second_bytes // 50
    received: list[Message] = []
    for at in range(0, len(pcm), step):
        received += pair.client.send_audio(pcm[at : at + step])
    frames = [pcm[at : at + setting.frame_bytes] for at in range(0, len(pcm), setting.frame_bytes)]
    server = pair.server
    gc.disable()
    try:
        began_s = thread_time()
        for message in received:
            server.receive(message)
        read_s = thread_time()
        for frame in frames:
            server.send_audio(frame)
        written_s = thread_time()
    finally:
        gc.enable()
    return Cost((read_s - began_s) / seconds * 1e6, (written_s - read_s) / seconds * 1e6)


def compare(settings: Sequence[Setting], *, rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Measure every setting in each round.

    Args:
        settings: What to measure, `REFERENCE` among it.
        rounds: How often.
        seconds: Audio of each measurement, seconds.

    Returns:
        By the setting's name: median processor time a second of the call (``in_us``, ``out_us``), and the median ratio
        to the reference (``ratio``).
    """
    costs: dict[str, list[Cost]] = {setting.wire.id: [] for setting in settings}
    for _ in range(rounds):
        for setting in settings:
            costs[setting.wire.id].append(measure(setting, seconds))
    reference = costs[REFERENCE]
    return {
        name: {
            "in_us": round(median(cost.in_us for cost in found), 1),
            "out_us": round(median(cost.out_us for cost in found), 1),
            "ratio": round(median(cost.both_us / base.both_us for cost, base in zip(found, reference, strict=True)), 2),
        }
        for name, found in costs.items()
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| protocol, setting | in, µs/s | out, µs/s | against Twilio |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {it['in_us']:.0f} | {it['out_us']:.0f} | {it['ratio']:.2f} |" for name, it in figures.items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Run it; return the exit code. Figures are reported, not judged."""
    parser = argparse.ArgumentParser(prog="python -m bench.protocols", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is measured")
    parser.add_argument("--seconds", type=int, default=20, help="audio of each measurement, seconds")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for the report")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(Cores.choose())
    figures = compare(SETTINGS, rounds=options.rounds, seconds=options.seconds)
    document: dict[str, Any] = {"protocols": figures, "machine": machine}
    (options.out / "protocols.json").write_text(json.dumps(document, indent=2, default=str) + "\n", "utf-8")
    sys.stdout.write(table(figures) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
