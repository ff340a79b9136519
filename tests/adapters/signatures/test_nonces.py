from __future__ import annotations

from adapters.signatures.nonces import MOST_REMEMBERED, NonceMemory


def test_a_nonce_is_new_once_and_again_when_it_is_forgotten() -> None:
    memory = NonceMemory(10)
    assert memory.first_time("a", 0)
    assert memory.first_time("b", 5)
    assert not memory.first_time("a", 10)
    assert memory.first_time("a", 10.1)
    assert not memory.first_time("b", 15)


def test_it_does_not_grow_for_ever() -> None:
    memory = NonceMemory(10)
    for number in range(MOST_REMEMBERED + 100):
        assert memory.first_time(str(number), 0)
    assert len(memory._seen) <= MOST_REMEMBERED + 1
    assert not memory.first_time(str(MOST_REMEMBERED + 99), 0)
