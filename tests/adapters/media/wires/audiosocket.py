from uuid import NAMESPACE_OID, uuid5

from adapters.audiosocket_id import audiosocket_call_id
from tests.adapters.media.pairs import Wire, leg

WIRES = [
    # The UUID alone, and of the start only the frame that is repeated by every audio.
    Wire(
        f"audiosocket-{rate_hz}",
        rate_hz,
        leg("", call_id=audiosocket_call_id(uuid5(NAMESPACE_OID, "")), from_="", to=""),
        recognised=False,
        second_start=0,
    )
    for rate_hz in (8000, 16000)
]
