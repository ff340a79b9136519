from adapters.media.base import Handshake
from tests.adapters.media.pairs import PARAMETERS, Wire, leg

LEG = leg("CS1", call_id="CS1", account_id="AC1", parameters=PARAMETERS)


def _reads(message: str | bytes) -> bool:
    """Text may be anything, but for keys that are none; an odd byte waits for the next message."""
    return len(message) <= 65_536 and not (isinstance(message, str) and '"event":"dtmf"' in message)


WIRES = [
    Wire(
        f"mod-audio-stream-{rate_hz}-{playback}",
        rate_hz,
        LEG,
        handshake=Handshake("ws://h/ws/1/t", "/ws/1/t", {"sample-rate": str(rate_hz), "playback": playback}),
        recognised=False,
        reads=_reads,
        stops=False,
        starts=False,
    )
    for rate_hz, playback in ((8000, "binary"), (16000, "binary"), (16000, "json"))
]
