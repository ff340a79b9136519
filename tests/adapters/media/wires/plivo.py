from functools import partial

from adapters.media.clients.plivo import PlivoClient
from adapters.media.plivo import L16
from tests.adapters.media.pairs import Wire, leg, through_ulaw

_CALL = leg("87654321-4321-4321-4321-cba987654321", account_id="MA1", parameters={"plan": "gold"})

WIRES = [
    Wire("plivo", 8000, _CALL, through_ulaw, stops=False),
    Wire("plivo-l16-8000", 8000, _CALL, client=partial(PlivoClient, encoding=L16), stops=False),
    Wire("plivo-l16-16000", 16000, _CALL, stops=False),
]
