"""The SQL store passes the contract of AI assistants on every database, and seals what is secret."""

from pathlib import Path

from adapters.store.factory import create_store
from tests.adapters.store.assistants.contract import (
    DEEPDUB,
    AssistantContract,
    AssistantListContract,
    ReferenceContract,
    make_assistant,
)
from tests.adapters.store.samples import KEY


class TestAssistants(AssistantContract): ...


class TestLists(AssistantListContract): ...


class TestReferences(ReferenceContract): ...


async def test_no_secret_stands_in_the_file(tmp_path: Path) -> None:
    store = create_store(str(tmp_path / "a.db"), secret_key=KEY)
    await store.open()
    await store.create_assistant(make_assistant(**DEEPDUB, description="words-in-clear"))
    await store.close()
    content = (tmp_path / "a.db").read_bytes()
    assert b"words-in-clear" in content
    assert b"canary-token" not in content
