from functools import partial

from adapters.media.base import Handshake
from adapters.media.clients.vobiz import VobizClient
from adapters.media.plivo import L16
from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw

_CALL = leg("c4dfd815-a92a-4140-ab85-5ff28c004116", account_id="500025", parameters=PARAMETERS)
_SIGNED = Handshake(url="ws://h/ws/1/t", path="/ws/1/t", headers={"x-vobiz-signature-v3": "x"})

WIRES = [
    Wire("vobiz", 8000, _CALL, through_ulaw, handshake=_SIGNED, stops=False),
    Wire("vobiz-l16-8000", 8000, _CALL, client=partial(VobizClient, encoding=L16), recognised=False, stops=False),
    Wire("vobiz-l16-16000", 16000, _CALL, recognised=False, stops=False),
]
