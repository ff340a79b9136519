"""Run stand-ins as a process of their own: ``python -m tests.standins --openai-port 0 --deepgram-port 0``.

Prints one JSON line, ``{"openai": "http://…/v1", "deepgram": "ws://…", …}``: each URL as ``AICALL_BASE_URL_<PROVIDER>``
takes it. Serves until SIGTERM or SIGINT, or until the end of stdin where stdin is a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import stat
import sys
from typing import Any

from tests.standins.anthropic import AnthropicStandIn
from tests.standins.base import DEFAULT_KEY, StandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.openai import OpenAIStandIn
from tests.standins.replies import Answer, ReplyScript

VENDORS = ("openai", "anthropic", "deepgram", "elevenlabs")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins", description=__doc__)
    for vendor in VENDORS:
        parser.add_argument(f"--{vendor}-port", type=int, help="start it on this port; 0 takes a free one")
    parser.add_argument("--key", action="append", help=f"accepted key, repeatable (default: {DEFAULT_KEY})")
    parser.add_argument("--any-key", action="store_true", help="accept every key")
    parser.add_argument("--reply", help="what the language models always say (default: an echo)")
    parser.add_argument("--transcript", action="append", default=[], help="what the caller says, once for each turn")
    parser.add_argument("--stt-final-delay-s", type=float, default=0.0)
    parser.add_argument("--llm-first-token-s", type=float, default=0.0)
    parser.add_argument("--llm-token-interval-s", type=float, default=0.0)
    parser.add_argument("--tts-first-byte-s", type=float, default=0.0)
    return parser.parse_args(arguments)


def build(options: argparse.Namespace) -> dict[str, StandIn]:
    """Make the stand-ins that were asked for; all of them when none was named."""
    common: dict[str, Any] = {
        "keys": None if options.any_key else options.key or (DEFAULT_KEY,),
        "keep_log": False,
        "keep_audio": False,
    }
    reply = _always(options.reply) if options.reply is not None else None
    model: dict[str, Any] = {
        "reply": reply,
        "first_token_s": options.llm_first_token_s,
        "token_interval_s": options.llm_token_interval_s,
    }
    speech: dict[str, Any] = {"tts_first_byte_s": options.tts_first_byte_s}
    listen: dict[str, Any] = {"transcripts": options.transcript, "stt_final_delay_s": options.stt_final_delay_s}
    ports = {vendor: getattr(options, f"{vendor}_port") for vendor in VENDORS}
    if all(port is None for port in ports.values()):
        ports = dict.fromkeys(VENDORS, 0)
    classes: dict[str, tuple[type[StandIn], dict[str, Any]]] = {
        "openai": (OpenAIStandIn, model | speech),
        "anthropic": (AnthropicStandIn, model),
        "deepgram": (DeepgramStandIn, listen | speech),
        "elevenlabs": (ElevenLabsStandIn, speech),
    }
    chosen = {vendor: port for vendor, port in ports.items() if port is not None}
    return {vendor: classes[vendor][0](port=port, **classes[vendor][1], **common) for vendor, port in chosen.items()}


def _always(text: str) -> ReplyScript:
    def reply(_request: object) -> Answer:
        return text

    return reply


async def serve(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        loop.add_reader(0, _drain_stdin, ended)
    async with contextlib.AsyncExitStack() as stack:
        stand_ins = build(options)
        for stand_in in stand_ins.values():
            await stack.enter_async_context(stand_in)
        gc.freeze()
        sys.stdout.write(json.dumps({vendor: s.base_url for vendor, s in stand_ins.items()}) + "\n")
        sys.stdout.flush()
        await ended.wait()


def _drain_stdin(ended: asyncio.Event) -> None:
    if not os.read(0, 4096):
        asyncio.get_running_loop().remove_reader(0)
        ended.set()


if __name__ == "__main__":
    asyncio.run(serve(parse(sys.argv[1:])))
