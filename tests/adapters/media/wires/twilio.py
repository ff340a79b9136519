from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw

WIRES = [
    Wire("twilio", 8000, leg("MZ1", account_id="AC1", parameters=PARAMETERS), through_ulaw),
]
