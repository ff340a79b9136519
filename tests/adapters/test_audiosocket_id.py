from uuid import UUID

from adapters.audiosocket_id import audiosocket_call_id

KNOWN = UUID("6c3d2c1e-8f4b-4a51-9d0e-2b7a90c1f3aa")


def test_a_name_tells_calls_apart_and_not_the_uuid() -> None:
    name = audiosocket_call_id(KNOWN)
    assert name == audiosocket_call_id(UUID(str(KNOWN).upper()))
    assert name != audiosocket_call_id(UUID(int=KNOWN.int + 1))
    assert name.startswith("audiosocket-")
    assert not any(part in name for part in str(KNOWN).split("-"))
