from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw

WIRES = [
    Wire("cloudonix", 8000, leg("MZ1", account_id="acme.cloudonix.net", parameters=PARAMETERS), through_ulaw),
]
