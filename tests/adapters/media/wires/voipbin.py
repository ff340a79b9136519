from adapters.media.base import Handshake
from tests.adapters.media.pairs import PARAMETERS, Wire, leg

QUERY = {"session": "CA1", "from": "+15551230001", "to": "100", "protocol": "voipbin", **PARAMETERS}
HANDSHAKE = Handshake(url="wss://h/ws/1/t", path="/ws/1/t", query=QUERY)

WIRES = [
    Wire(
        f"voipbin-{rate_hz}",
        rate_hz,
        leg("CA1", parameters=PARAMETERS),
        handshake=HANDSHAKE,
        digits="",
        stops=False,
        starts=False,
    )
    for rate_hz in (8000, 16000)
]
