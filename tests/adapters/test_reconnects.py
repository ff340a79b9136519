from adapters.reconnects import Reconnects, TellsAlive
from adapters.stt.pocketsphinx import PocketsphinxSTTService
from adapters.stt.speech_link import SpeechLink
from adapters.tts.espeak import EspeakTTSService
from adapters.tts.speech_socket import SpeechSocket


def test_what_has_a_connection_can_reconnect() -> None:
    assert issubclass(SpeechLink, Reconnects)
    assert issubclass(SpeechSocket, Reconnects)
    assert not issubclass(PocketsphinxSTTService, Reconnects)
    assert not issubclass(EspeakTTSService, Reconnects)


def test_recognisers_with_a_connection_tell_when_their_vendor_sent_something() -> None:
    assert hasattr(SpeechLink, "alive_s")
    assert not isinstance(PocketsphinxSTTService, TellsAlive)
