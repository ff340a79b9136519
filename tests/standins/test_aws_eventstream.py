"""The event stream under the SDK's own reader, and by bytes."""

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from tests.standins.aws_eventstream import encode, event, exception


def read(data):
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return list(buffer)


def test_a_message_without_anything_is_its_checksums():
    # The empty message of Amazon's own test vectors (smithy's event stream suite, "empty_message").
    assert encode({}, b"").hex() == "000000100000000005c248eb7d98c8ff"


def test_the_sdk_reads_an_event():
    (message,) = read(event("contentBlockDelta", {"text": "grüße 🦜"}))
    assert message.headers == {
        ":event-type": "contentBlockDelta",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert message.payload.decode() == '{"text": "grüße 🦜"}'
    assert message.to_response_dict()["status_code"] == 200


def test_the_sdk_reads_an_exception():
    (message,) = read(exception("throttlingException", "slow down"))
    assert message.to_response_dict()["status_code"] == 400
    assert message.headers[":exception-type"] == "throttlingException"


def test_messages_follow_one_another():
    assert len(read(event("a", {}) + event("b", {}))) == 2


@pytest.mark.parametrize("index", [9, -1])
def test_a_changed_byte_shows(index):
    data = bytearray(event("messageStart", {"role": "assistant"}))
    data[index] ^= 1
    with pytest.raises(ChecksumMismatch):
        read(bytes(data))
