from adapters.media.base import Handshake
from adapters.media.mod_audio_fork import without_markers
from tests.adapters.media.pairs import BARE, PARAMETERS, Wire, leg

OFFERED = Handshake(url="ws://h/ws/1/t", path="/ws/1/t", subprotocols=("audio.jambonz.org",))

WIRES = [
    Wire(
        f"jambonz-{rate_hz}",
        rate_hz,
        leg("CS1", call_id="CS1", account_id="AC1", parameters=PARAMETERS),
        handshake=handshake,
        mark_names=("марка", "x" * 1024),
        reads=lambda message: message == b"\x00",  # The first half of a sample.
        stops=False,
        bot_codec=without_markers,
    )
    for rate_hz, handshake in ((8000, BARE), (16000, OFFERED))
]
