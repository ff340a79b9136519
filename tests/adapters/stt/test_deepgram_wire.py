import json
from itertools import accumulate
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stt.deepgram_wire import Result, UnheardAudio, listen_url, parse

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
    assert parse(message) == Result(text="hola", is_final=True, from_finalize=True, end_s=2.0, language="es")


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


def drain(audio: UnheardAudio) -> list[bytes]:
    chunks = []
    while (chunk := audio.next()) is not None:
        chunks.append(chunk)
    return chunks


def test_a_new_connection_hears_what_is_not_settled() -> None:
    audio = UnheardAudio(8000, longest_s=10)
    chunks = [bytes([n]) * 320 for n in range(10)]
    for chunk in chunks:
        audio.add(chunk)
    assert drain(audio) == chunks
    audio.settle(0.06)
    assert audio.kept_s == pytest.approx(0.14)
    audio.rewind()
    assert drain(audio) == chunks[3:]
    audio.settle(0.04)
    audio.rewind()
    assert drain(audio) == chunks[5:]


STEPS = st.lists(
    st.tuples(st.just("add"), st.integers(1, 50))
    | st.tuples(st.just("send"), st.just(0))
    | st.tuples(st.just("settle"), st.integers(0, 400))
    | st.tuples(st.just("rewind"), st.just(0)),
    max_size=60,
)


@given(STEPS)
def test_only_what_is_settled_or_too_old_is_forgotten(steps: list[tuple[str, int]]) -> None:
    rate_hz, longest_samples = 8000, 200
    audio = UnheardAudio(rate_hz, longest_samples / rate_hz)
    sizes: list[int] = []
    settled: set[int] = set()
    stream: list[int] = []
    for kind, samples in steps:
        if kind == "add":
            audio.add(bytes([len(sizes)]) * samples * 2)
            sizes.append(samples)
        elif kind == "send" and (chunk := audio.next()) is not None:
            assert not stream or chunk[0] > stream[-1]
            stream.append(chunk[0])
        elif kind == "settle":
            audio.settle(samples / rate_hz)
            heard = list(accumulate(sizes[number] for number in stream))
            settled |= {number for number, end in zip(stream, heard, strict=True) if end <= samples}
        elif kind == "rewind":
            audio.rewind()
            stream = []
    audio.rewind()
    kept = [chunk[0] for chunk in drain(audio)]
    assert kept == list(range(len(sizes) - len(kept), len(sizes)))
    assert audio.kept_s * rate_hz <= max([longest_samples, *sizes[-1:]])
    for number in range(len(sizes) - len(kept)):
        assert number in settled or sum(sizes[number:]) > longest_samples
