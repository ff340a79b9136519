from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw

LEG = leg(
    "7d56cc11-536d-4a45-b4fb-ed3d55be843b",
    call_id="76ac3c36-56da-4a3e-a0d6-b5f8df6da9ad",
    account_id="b08dacad-2f6c-4de1-93d6-cc732e0c69c5",
    parameters=PARAMETERS,
)

WIRES = [
    Wire("signalwire-pcmu", 8000, LEG, through_ulaw),
    Wire("signalwire-l16", 16000, LEG),
]
