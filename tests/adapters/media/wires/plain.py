from tests.adapters.media.pairs import PARAMETERS, Wire, leg

WIRES = [Wire(f"plain-{rate_hz}", rate_hz, leg("CA1", parameters=PARAMETERS)) for rate_hz in (8000, 16000)]
