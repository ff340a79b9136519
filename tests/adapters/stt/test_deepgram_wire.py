import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stt.deepgram_wire import listen_url, parse
from adapters.stt.recognizer_wire import Heard

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "channel", "alternatives", "transcript", "languages", "start", "duration", "is_final"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def results(**fields: object) -> str:
    return json.dumps({"type": "Results", "channel": {"alternatives": [{"transcript": "hi"}]}} | fields)


def test_the_url_is_escaped() -> None:
    url = urlsplit(listen_url("wss://host", model="nova 3&x", language="pt-BR", sample_rate_hz=16_000))
    assert (url.scheme, url.netloc, url.path) == ("wss", "host", "/v1/listen")
    query = parse_qs(url.query)
    assert query["model"] == ["nova 3&x"]
    assert query["language"] == ["pt-BR"]
    assert query["sample_rate"] == ["16000"]


def test_reads_a_result() -> None:
    message = results(
        is_final=True,
        from_finalize=True,
        start=1.5,
        duration=0.5,
        channel={"alternatives": [{"transcript": "hola", "languages": ["es"]}]},
    )
    assert parse(message) == Heard(text="hola", is_final=True, answers=True, end_s=2.0, language="es")


@pytest.mark.parametrize("kind", ["Metadata", "SpeechStarted", "UtteranceEnd", "Something new"])
def test_passes_over_other_messages(kind: str) -> None:
    assert parse(json.dumps({"type": kind})) is None


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "Results", "audio": ',
        "[]",
        '"Results"',
        b"\xff\xfe",
        results(channel=None),
        results(channel={"alternatives": [{"transcript": 7}]}),
        results(start="soon"),
    ],
)
def test_refuses_what_deepgram_does_not_send(message: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse(message)


@given(
    st.binary(max_size=60) | JSON.map(json.dumps) | JSON.map(lambda v: json.dumps({"type": "Results", "channel": v}))
)
def test_anything_else_is_a_value_error(message: str | bytes) -> None:
    try:
        result = parse(message)
    except ValueError:
        return
    assert result is None or isinstance(result.text, str)
