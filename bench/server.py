"""One of the two servers as a process of its own, with a probe in its event loop: ``python -m bench.server SYSTEM``.

Prints ``listening on http://HOST:PORT``. Then it takes commands on stdin, one word a line, and answers each with a line
of JSON on stdout: ``watch`` begins to watch the loop and to count model loads, ``report`` ends it and tells. It serves
until the end of stdin, so that it never outlives the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from bench.probe import LoopWatch, SessionLoads, count_model_loads
from bench.scenario import System, TurnPolicy


def main(arguments: list[str] | None = None) -> None:
    """Run the server that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__)
    parser.add_argument("system", type=System, choices=list(System))
    parser.add_argument("--policy", type=TurnPolicy, choices=list(TurnPolicy), default=TurnPolicy.SILENCE)
    parser.add_argument("--core", type=int, help="the only core to run on")
    parser.add_argument("--data", type=Path, required=True, help="data folder of the runtime")
    options = parser.parse_args(arguments)
    if options.core is not None:
        # Before anything counts the cores to size a pool of threads.
        os.sched_setaffinity(0, {options.core})
    loads = count_model_loads()
    serving = _ours(options.data) if options.system is System.OURS else _recipe(options.policy)
    asyncio.run(_run(serving, loads))


async def _run(serving: Coroutine[Any, Any, None], loads: SessionLoads) -> None:
    tasks = {asyncio.create_task(serving, name="server"), asyncio.create_task(_obey(loads), name="commands")}
    done, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    for task in done:
        task.result()


async def _ours(data: Path) -> None:
    """Run what ``aicall serve --port 0 --data DIR`` runs."""
    from runtime.logs import configure_logging  # noqa: PLC0415 - imported only in the process that runs it
    from runtime.server import serve  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    settings = load_settings(port=0, data_dir=data)
    configure_logging(settings.log_level)
    await serve(settings)


async def _recipe(policy: TurnPolicy) -> None:
    import uvicorn  # noqa: PLC0415 - imported only in the process that runs it
    from loguru import logger  # noqa: PLC0415

    from bench.recipe import Vendors, create_app  # noqa: PLC0415

    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    # With the protocol named asyncio switches Nagle's algorithm off, as it does for a socket that uvicorn opens.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(Vendors.from_environ(), policy), log_level="warning", lifespan="off")
        listener.listen(config.backlog)
        _say(f"listening on http://127.0.0.1:{listener.getsockname()[1]}")
        await uvicorn.Server(config).serve(sockets=[listener])


async def _obey(loads: SessionLoads) -> None:
    """Answer commands until the end of stdin."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watch = LoopWatch()
    while command := (await reader.readline()).decode().strip():
        if command == "watch":
            # What is left of earlier calls must not be collected at the expense of the next one.
            gc.collect()
            loads.reset()
            watch.start()
            _say("{}")
        else:
            watch.stop()
            _say(
                json.dumps(
                    {
                        "longest_stall_ms": watch.longest_ms,
                        "stalled_ms": watch.stalled_ms,
                        "sessions": loads.count,
                        "model_load_ms": loads.blocking_ms,
                    }
                )
            )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
