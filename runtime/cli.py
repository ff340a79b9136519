"""The command line, ``aicall`` (design section 2)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from models.errors import AicallError, InvalidField
from runtime.exits import explain
from runtime.logs import configure_logging
from runtime.settings import BASE_URL_PREFIX, CONFIG_FILE, Settings, describe_settings, load_settings

app = typer.Typer(
    name="aicall",
    help="A real-time voice-AI call runtime.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _settings_help() -> str:
    rows = describe_settings()
    width = max(len(name) for name, _, _ in rows)
    lines = [f"  {name:<{width}}  {text}" + (f" [{default}]" if default else "") for name, default, text in rows]
    # \b keeps click from wrapping the table.
    return "\n".join(
        (
            "\b",
            f"Settings (environment; in {CONFIG_FILE} the same names in lower case without AICALL_):",
            *lines,
            "",
            "\b",
            "Vendors (environment only): OPENAI_API_KEY, ANTHROPIC_API_KEY, DEEPGRAM_API_KEY, ELEVENLABS_API_KEY;",
            f"{BASE_URL_PREFIX}<PROVIDER> points a provider at another endpoint.",
        )
    )


@app.callback()
def _aicall() -> None:
    """Keep subcommands even while there is only one."""


@app.command(epilog=_settings_help())
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.", show_default="8080")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of database and keys.", show_default="the user's data folder")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Database URL.", show_default="SQLite in the data folder")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Processes to run.", show_default="1")] = None,
    max_calls: Annotated[
        int | None, typer.Option(help="Most calls at the same time; 0 for no fixed limit.", show_default="0")
    ] = None,
) -> None:
    """Run the HTTP API and the media WebSockets on one port.

    Prints one line "listening on http://HOST:PORT" on stdout when ready. SIGTERM drains: no new calls, live ones run
    to their end. A second one ends at once. With several processes, SIGHUP replaces them one after the other.
    """
    given = {
        "host": host,
        "port": port,
        "data_dir": data,
        "database": database,
        "processes": processes,
        "max_calls": max_calls,
    }
    try:
        settings = load_settings(**given)
        configure_logging(settings.log_level)
        code = _serve_in_several(settings, given) if settings.processes > 1 else _serve_in_one(settings)
    except (AicallError, OSError) as error:
        code, text = explain(error)
        _complain(text)
    if code:
        raise typer.Exit(code)


def _serve_in_one(settings: Settings) -> int:
    # Importing the server takes seconds of CPU, which `--help` does without.
    from runtime.server import serve as run_server  # noqa: PLC0415

    asyncio.run(run_server(settings))
    return 0


def _serve_in_several(settings: Settings, given: dict[str, Any]) -> int:
    from runtime.supervisor.supervisor import supervise  # noqa: PLC0415

    return asyncio.run(supervise(settings, given))


@app.command()
def check(
    data: Annotated[
        Path | None, typer.Option(help="Folder of database and keys.", show_default="the user's data folder")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Database URL.", show_default="SQLite in the data folder")
    ] = None,
) -> None:
    """Check configuration, database, models, provider keys and reachability; exit 1 on any failure."""
    configure_logging("ERROR")
    from runtime.check import run_checks  # noqa: PLC0415

    async def run() -> bool:
        well = True
        async for result in run_checks(os.environ, data_dir=data, database=database):
            typer.echo(f"{'ok  ' if result.ok else 'FAIL'}  {result.name}: {result.detail}")
            well = well and result.ok
        return well

    if not asyncio.run(run()):
        raise typer.Exit(1)


@app.command(epilog=_settings_help())
def worker(
    call: Annotated[str, typer.Option(help="File with the call's JSON document, or - for standard input.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 0,
) -> None:
    """Run exactly one call: reads {"aicall": {...}, "ai": {...}}, prints JSON Lines on stdout.

    For a team the document is {"aicall": {...}, "team": {...}, "ais": [...]}.

    The first line is {"event": "listening", "media_url": ...}, then come the call's events. Exits 0 when the AIcall
    ended normally, 1 when it did not, 2 when it could not begin. SIGTERM lets a live call run to its end and ends one
    that nobody has connected to; a second one ends it at once.
    """
    text = _call_document(call)
    try:
        settings = load_settings(host=host, port=port)
        configure_logging(settings.log_level)
        from runtime.call_document import CallDocument  # noqa: PLC0415
        from runtime.single_call import run_single_call  # noqa: PLC0415

        reason = asyncio.run(run_single_call(settings, CallDocument.parse(text), _print_json))
    except InvalidField as error:
        _complain(f"{error.field}: {error.message}")
        raise typer.Exit(2) from None
    except AicallError as error:
        _complain(error.message)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        # Nothing can be flushed on the way out either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain("nobody reads the standard output any more; the call was ended")
        raise typer.Exit(1) from None
    except OSError as error:
        _complain(f"cannot start: {error.strerror or error}")
        raise typer.Exit(2) from None
    if not reason.normal:
        raise typer.Exit(1)


def _call_document(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        _complain(f"call: cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        _complain("call: is not UTF-8")
    raise typer.Exit(2)


def _print_json(line: dict[str, Any]) -> None:
    # Escaped, so that no locale and no odd character can stop a line.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for recording, call and timeline.")] = Path("demo-out"),
) -> None:
    """Place one real call through the real server on the embedded default, and check it."""
    configure_logging("ERROR")
    from runtime.demo.run import demo_exit_code  # noqa: PLC0415

    try:
        code = asyncio.run(demo_exit_code(out))
    except InvalidField as error:
        _complain(f"{error.field}: {error.message}")
        raise typer.Exit(1) from None
    except AicallError as error:
        _complain(error.message)
        raise typer.Exit(1) from None
    except OSError as error:
        _complain(f"{error.filename or out}: {error.strerror or error}")
        raise typer.Exit(1) from None
    if code:
        raise typer.Exit(code)


def _complain(message: str) -> None:
    sys.stderr.write(f"aicall: {message}\n")


def main() -> None:
    """Run the command line; the console script's entry."""
    # Only where it is wanted: the harness brings in audio libraries that `serve` does without.
    # Without arguments, `aicall` prints its help.
    if not sys.argv[1:] or sys.argv[1] in {"replay", "--help"}:
        from runtime.replay.cli import replay_command  # noqa: PLC0415

        app.command("replay")(replay_command)
    app()


if __name__ == "__main__":
    main()
