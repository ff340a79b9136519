from adapters.media.base import Handshake
from adapters.media.clients.genesys import GenesysClient
from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw

SESSION = "c0bd4b0b-8c2b-4a8f-a6d0-0a2d9e1e0001"
LEG = leg(
    SESSION,
    call_id="c0bd4b0b-8c2b-4a8f-a6d0-0a2d9e1e0002",
    account_id="c0bd4b0b-8c2b-4a8f-a6d0-0a2d9e1e0003",
    parameters=PARAMETERS,
)
NAMED = Handshake(url="wss://h/ws/1/t", path="/ws/1/t", headers={"audiohook-session-id": SESSION})


def _audio(message: str | bytes) -> bool:
    """Any byte is a sample, so that no small binary message is garbage."""
    return isinstance(message, bytes) and len(message) <= 65_536


WIRES = [
    Wire("genesys-mono", 8000, LEG, through_ulaw, handshake=NAMED, reads=_audio),
    Wire(
        "genesys-stereo",
        8000,
        LEG,
        through_ulaw,
        client=lambda call: GenesysClient(call, [["internal", "external"]]),
        reads=_audio,
    ),
]
