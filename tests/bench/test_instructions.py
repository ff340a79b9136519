import json

from adapters.media.base import AudioReceived, Started
from adapters.media.twilio import TwilioProtocol
from bench.instructions import media_messages, start_message


def test_the_messages_are_those_of_a_media_stream() -> None:
    protocol = TwilioProtocol()
    assert isinstance(protocol.receive(start_message())[0], Started)
    events = [event for message in media_messages(120) for event in protocol.receive(message)]
    assert [type(event) for event in events] == [AudioReceived] * 120
    assert {len(event.pcm) for event in events if isinstance(event, AudioReceived)} == {320}


def test_the_messages_are_the_same_each_time_and_count_on() -> None:
    first = list(media_messages(60))
    assert first == list(media_messages(60))
    assert [json.loads(message)["sequenceNumber"] for message in first[:3]] == ["2", "3", "4"]
