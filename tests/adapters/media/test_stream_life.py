from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.stream_life import MOVES, Phase, StreamLife, Verb
from models.errors import MediaProtocolError


def _in_phase(phase: Phase) -> StreamLife:
    life = StreamLife()
    way = {
        Phase.WAITING: [],
        Phase.CONNECTED: [Verb.CONNECTED],
        Phase.OPEN: [Verb.START],
        Phase.OVER: [Verb.START, Verb.STOP],
    }
    for verb in way[phase]:
        life.move(verb)
    return life


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("verb", Verb)
def test_only_listed_moves_are_made(phase: Phase, verb: Verb) -> None:
    life = _in_phase(phase)
    target = MOVES.get((phase, verb))
    if target is None:
        with pytest.raises(MediaProtocolError) as caught:
            life.move(verb)
        too_early = phase in {Phase.WAITING, Phase.CONNECTED}
        assert caught.value.fatal == (too_early and verb in {Verb.CONTENT, Verb.STOP})
        target = phase
    else:
        life.move(verb)
    assert life.phase is target
    assert life.is_open == (target is Phase.OPEN)


@given(st.lists(st.sampled_from(Verb)))
def test_a_stream_opens_once_and_never_comes_back(verbs: list[Verb]) -> None:
    life = StreamLife()
    order = [Phase.WAITING, Phase.CONNECTED, Phase.OPEN, Phase.OVER]
    for verb in verbs:
        before = life.phase
        try:
            life.move(verb)
        except MediaProtocolError:
            assert life.phase is before
        assert order.index(life.phase) >= order.index(before)
