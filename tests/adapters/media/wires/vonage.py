from tests.adapters.media.pairs import PARAMETERS, Wire, leg

WIRES = [
    Wire(f"vonage-{rate_hz}", rate_hz, leg("CA1", parameters=PARAMETERS), stops=False) for rate_hz in (8000, 16000)
]
