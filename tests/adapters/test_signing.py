import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.signing import key_of, sign, signature_headers
from models.errors import InvalidField

# The example of the Standard Webhooks reference implementations.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP_S = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    assert sign(SECRET, MESSAGE_ID, TIMESTAMP_S, BODY) == SIGNATURE


def test_headers() -> None:
    assert signature_headers(SECRET, MESSAGE_ID, TIMESTAMP_S, BODY) == {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


@given(key=st.binary(min_size=1), body=st.binary(), message_id=st.uuids(), timestamp_s=st.integers(0, 2**40))
def test_every_form_of_a_secret_signs_alike(key: bytes, body: bytes, message_id: object, timestamp_s: int) -> None:
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    encoded = "whsec_" + base64.b64encode(key).decode()
    assert sign(key, str(message_id), timestamp_s, body) == expected
    assert sign(encoded, str(message_id), timestamp_s, body) == expected


def test_a_secret_of_plain_text() -> None:
    assert key_of("gehéim") == "gehéim".encode()


@pytest.mark.parametrize("secret", ["", b"", "whsec_", "whsec_not base64!", "whsec_abc"])
def test_a_secret_that_cannot_be_read(secret: str | bytes) -> None:
    with pytest.raises(InvalidField) as caught:
        sign(secret, MESSAGE_ID, TIMESTAMP_S, BODY)
    assert caught.value.field == "secret"
    assert "abc" not in caught.value.message


@pytest.mark.parametrize(
    ("message_id", "timestamp_s", "body"),
    [("other", TIMESTAMP_S, BODY), (MESSAGE_ID, TIMESTAMP_S + 1, BODY), (MESSAGE_ID, TIMESTAMP_S, BODY + b" ")],
)
def test_everything_is_signed(message_id: str, timestamp_s: int, body: bytes) -> None:
    assert sign(SECRET, message_id, timestamp_s, body) != SIGNATURE
