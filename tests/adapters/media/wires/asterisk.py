from collections.abc import Callable
from functools import partial

from adapters.media.asterisk_wire import Spelling
from adapters.media.base import Handshake, Message
from adapters.media.clients.asterisk import AsteriskClient
from adapters.media.codecs import alaw_to_pcm, pcm_to_alaw
from tests.adapters.media.pairs import PARAMETERS, Wire, leg, through_ulaw


def through_alaw(pcm: bytes) -> bytes:
    return alaw_to_pcm(pcm_to_alaw(pcm))


def _is_a_sample(message: Message) -> bool:
    return message == b"\x00"


def _of_two(message: Message) -> bool:
    return False


CODECS: dict[str, tuple[int, Callable[[bytes], bytes], Callable[[Message], bool]]] = {
    "ulaw": (8000, through_ulaw, _is_a_sample),
    "alaw": (8000, through_alaw, _is_a_sample),
    "slin": (8000, bytes, _of_two),
    "slin16": (16000, bytes, _of_two),
}
CALL = leg("media_connection1", call_id="1761245643.1", parameters=PARAMETERS)
# Plain text has no room for what is not in the URL.
DIALLED = Handshake(
    url="ws://h/ws/1/t",
    path="/ws/1/t",
    query={"session": "1761245643.0", "from": CALL.from_, "to": CALL.to, **PARAMETERS},
)

WIRES = [
    Wire(
        f"asterisk-{spelling}-{name}",
        sample_rate_hz,
        CALL,
        codec,
        client=partial(AsteriskClient, codec=name, spelling=spelling),
        mark_names=("turn-17", "m.1_2", "9" * 48),
        stops=False,
        early=("send_audio",),
        reads=reads,
        **({"handshake": DIALLED} if spelling is Spelling.PLAIN else {}),
    )
    for spelling in Spelling
    for name, (sample_rate_hz, codec, reads) in CODECS.items()
]
