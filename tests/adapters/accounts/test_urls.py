import pytest

from adapters.accounts.urls import http_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://api.deepgram.com", "https://api.deepgram.com"),
        ("ws://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"),
        ("https://host", "https://host"),
        ("http://ws.host", "http://ws.host"),
    ],
)
def test_an_endpoint_for_requests(url: str, expected: str) -> None:
    assert http_url(url) == expected
