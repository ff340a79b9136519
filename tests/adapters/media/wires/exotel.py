from tests.adapters.media.pairs import PARAMETERS, Wire, leg

WIRES = [
    Wire(f"exotel-{rate_hz}", rate_hz, leg("MZ1", account_id="AC1", parameters=PARAMETERS)) for rate_hz in (8000, 16000)
]
