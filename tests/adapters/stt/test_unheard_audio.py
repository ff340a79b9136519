from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stt.unheard_audio import UnheardAudio


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
