from adapters.media.base import Handshake
from adapters.media.mod_audio_fork import without_markers
from tests.adapters.media.pairs import PARAMETERS, Wire, leg

OFFERED = Handshake(url="ws://h/ws/1/t", path="/ws/1/t", subprotocols=("audio.drachtio.org",))
LEG = leg("CS1", call_id="CS1", account_id="AC1", parameters=PARAMETERS)


def _reads(message: str | bytes) -> bool:
    """Text may be anything, but for keys that are none; an odd byte waits for the next message."""
    return len(message) <= 65_536 and not (isinstance(message, str) and '"event":"dtmf"' in message)


WIRES = [
    Wire(
        f"mod-audio-fork-{rate_hz}",
        rate_hz,
        LEG,
        handshake=OFFERED,
        mark_names=("марка", "x" * 1024),
        reads=_reads,
        stops=False,
        starts=False,
        bot_codec=without_markers,
    )
    for rate_hz in (8000, 16000)
]
