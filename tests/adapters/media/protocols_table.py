"""The table of ``docs/protocols.md``, found out from the protocols themselves and not from what is written of them.

``python -m tests.adapters.media.protocols_table`` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from adapters.media.audiosocket import AudioSocketProtocol
from adapters.media.base import (
    AudioReceived,
    FlowControl,
    Handshake,
    MarkPolicy,
    MediaProtocol,
    Message,
    Started,
)
from adapters.media.registry import ROWS, ProtocolRow
from models.errors import MediaProtocolError, Unauthorized
from runtime.auth_gate import gate_of
from runtime.settings import Settings
from tests.adapters.media.pairs import SETTINGS, Pair, Setting, through_ulaw
from tests.adapters.media.wires.asterisk import through_alaw
from tests.adapters.signatures.signers import NOW_S, SIGNERS, Signer

COLUMNS = (
    "protocol",
    "starts with",
    "audio in",
    "audio out",
    "codecs, kHz",
    "DTMF in",
    "DTMF out",
    "marks after a flush",
    "flush",
    "back-pressure",
    "ends with",
    "hang-up in band",
    "proof beside the token",
    "garbage",
    "audio before the start",
    "largest message out",
    "audio out of order",
)
PAGES = {"audiosocket": "asterisk", "mod_audio_fork": "freeswitch", "mod_audio_stream": "freeswitch"}
"""Page of a protocol under ``docs/pbx``, where it is not its name."""

URL = "wss://calls.example.com/ws/1/t"
MARKS = {
    MarkPolicy.NONE: "no marks",
    MarkPolicy.ECHOED: "come back",
    MarkPolicy.DROPPED: "never come back",
    MarkPolicy.PLAYED_ONLY: "only those that were played",
}
NAMES = {"g722": "G.722", "opus": "Opus"}
"""Codecs whose audio is compared with no other's, by what stands in the name of the wire."""

NO = "\N{EN DASH}"
LOUD = b"".join(value.to_bytes(2, "little", signed=True) for value in range(-30_000, 30_000, 150))
"""20 ms at 20 kHz of a ramp, which no codec leaves as another one does."""


def page(name: str) -> str:
    """Name of the page that tells how a protocol is set up, without its ending."""
    return PAGES.get(name, name)


def proofs(name: str) -> list[Signer]:
    """The ways to prove a connection that the gate asks for, once their setting is there."""
    return [signer for signer in SIGNERS if name in signer.protocols and _asked_for(signer, name)]


def rows() -> list[list[str]]:
    """The cells of the table, a list for each protocol."""
    return [_cells(row, [setting for setting in SETTINGS if setting.row is row]) for row in ROWS]


def table() -> str:
    """The table as Markdown."""
    written = [COLUMNS, ["---"] * len(COLUMNS), *rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in written)


def _cells(row: ProtocolRow, settings: list[Setting]) -> list[str]:
    can, told = row.capabilities, settings[0]
    return [
        f"[`{row.name}`](pbx/{page(row.name)}.md)",
        _any(map(_start, settings)),
        _any(_form(it.open_pair().client.send_audio(LOUD * 10)[0]) for it in settings),
        _any(f"{_form(_played(it))}, {can.frame_ms} ms{' exactly' if can.exact_frames else ''}" for it in settings),
        _codecs(settings),
        _yes(bool(told.wire.digits)),
        _yes(can.dtmf_out),
        MARKS[can.marks],
        "yes" if can.flush else f"no, {can.look_ahead_ms} ms ahead at most",
        _any(map(_flow, settings)),
        _any("a message" if it.wire.stops else "the socket" for it in settings),
        _any(map(_hangup, settings)),
        _proof(row.protocol),
        _any(map(_garbage, settings)),
        _any(map(_early, settings)),
        _largest(settings),
        _any(map(_order, settings)),
    ]


def _any(values: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(values))


def _yes(value: bool) -> str:
    return "yes" if value else NO


def _form(message: Message) -> str:
    if isinstance(message, bytes):
        return "binary"
    return "base64" if message.startswith("{") else "text"


def _played(setting: Setting) -> Message:
    return setting.open_pair().server.send_audio(bytes(setting.frame_bytes))[0]


def _word(message: Message) -> str:
    """What a message is called on its wire."""
    if isinstance(message, bytes):
        return "a frame"
    if not message.startswith("{"):
        return f"`{message.split()[0]}`"
    document = json.loads(message)
    name = document.get("event", document.get("type", document.get("command")))
    return f"`{name}`" if name else "metadata"


def _start(setting: Setting) -> str:
    pair = setting.pair()
    for message in pair.client.opening():
        if any(isinstance(event, Started) for event in pair.deliver([message])):
            word = _word(message)
            return word if setting.wire.starts else f"the first message ({word})"
    raise AssertionError("the opening starts nothing")


def _codecs(settings: list[Setting]) -> str:
    rates: dict[str, list[str]] = {}
    for setting in settings:
        known = {LOUD: "PCM", through_ulaw(LOUD): "µ-law", through_alaw(LOUD): "A-law"}
        # Of the rest the name stands in that of the wire.
        name = known.get(setting.codec(LOUD)) or NAMES[setting.wire.id.split("-")[1]]
        rates.setdefault(name, []).append(f"{setting.sample_rate_hz // 1000}")
    return "; ".join(f"{name} {', '.join(dict.fromkeys(found))}" for name, found in rates.items())


def _flow(setting: Setting) -> str:
    pair = setting.open_pair()
    for message in ("MEDIA_XOFF", '{"event":"MEDIA_XOFF"}'):
        try:
            if FlowControl(paused=True) in pair.server.receive(message):
                return "`MEDIA_XOFF`, `MEDIA_XON`"
        except MediaProtocolError:
            continue
    return "the socket's"


def _hangup(setting: Setting) -> str:
    messages = setting.open_pair().server.send_hangup()
    assert bool(messages) == setting.row.capabilities.hangup_in_band
    return _word(messages[0]) if messages else NO


def _asked_for(signer: Signer, name: str) -> bool:
    """Whether the gate lets a connection in with this proof, and not without it."""
    gate = gate_of(Settings(_env_file=None, **signer.settings))  # type: ignore[arg-type]
    try:
        gate.check_connection(Handshake(url=URL, path="/ws/1/t"), name, NOW_S)
    except Unauthorized:
        headers = signer.headers(URL, NOW_S, True)
        gate.check_connection(Handshake(url=URL, path="/ws/1/t", headers=headers), name, NOW_S)
        return True
    return False


def _proof(protocol: type[MediaProtocol]) -> str:
    found = _any(signer.make().name for signer in proofs(protocol.name))
    if protocol is AudioSocketProtocol:
        assert not found
        return "none: its UUID is the token"
    return found or NO


def _garbage(setting: Setting) -> str:
    said: list[str] = []
    for message, kind in (("not json", "text"), (b"\x00", "bytes")):
        try:
            setting.open_pair().server.receive(message)
        except MediaProtocolError as error:
            assert not error.fatal  # noqa: PT017 - both outcomes are right
        else:
            said.append(kind)
    if not said:
        return "dropped"
    return "text is passed over" if "text" in said else "text is dropped, any bytes are audio"


def _early(setting: Setting) -> str:
    pair = setting.pair()
    messages = setting.open_pair().client.send_audio(LOUD * 10)
    try:
        events = pair.server.receive(messages[0])
    except MediaProtocolError as error:
        assert error.fatal  # noqa: PT017 - both outcomes are right
        return "closes"
    return "starts it" if any(isinstance(event, Started) for event in events) else "waits for it"


def _largest(settings: list[Setting]) -> str:
    """The audio of the longest message, and what the message may come to."""
    can = settings[0].row.capabilities
    longest_ms = can.frame_ms if can.exact_frames else can.max_audio_ms
    sizes = [
        max(map(len, it.open_pair().server.send_audio(bytes(it.second_bytes * 3 // it.grain_bytes * it.grain_bytes))))
        for it in settings
    ]
    assert max(sizes) <= can.max_message_bytes
    return f"{longest_ms:,} ms, {max(sizes):,} bytes"


def _order(setting: Setting) -> str:
    """What becomes of three pieces of audio of which the second comes last."""
    pair, pieces = _three(setting)
    in_order = _heard(pair, pieces)
    pair, pieces = _three(setting)
    swapped = _heard(pair, [pieces[0], pieces[2], pieces[1]])
    return "put into order" if swapped == in_order else "as it comes"


def _three(setting: Setting) -> tuple[Pair, list[Message]]:
    pair = setting.open_pair()
    samples = setting.sample_rate_hz // 5
    return pair, [pair.client.send_audio(tone * samples)[0] for tone in (b"\x00\x10", b"\x00\x20", b"\x00\x30")]


def _heard(pair: Pair, messages: Iterable[Message]) -> bytes:
    events = [event for message in messages for event in pair.server.receive(message)]
    return b"".join(event.pcm for event in events if isinstance(event, AudioReceived))


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
