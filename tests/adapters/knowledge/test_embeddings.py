from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from adapters.knowledge.embeddings import Embedder
from models.errors import Unavailable
from tests.standins.base import DEFAULT_KEY
from tests.standins.embeddings import EmbeddingsStandIn
from tests.standins.faults import Faults


@asynccontextmanager
async def asking(vendor: EmbeddingsStandIn, key: str = DEFAULT_KEY, timeout_s: float = 20.0) -> AsyncIterator[Embedder]:
    embedder = Embedder(vendor.base_url, SecretStr(key), "a-model", timeout_s=timeout_s)
    try:
        yield embedder
    finally:
        await embedder.aclose()


async def test_one_vector_for_each_text_in_their_order() -> None:
    async with EmbeddingsStandIn() as vendor, asking(vendor) as embedder:
        assert await embedder.embed(["a refund", "the car park"]) == [
            vendor.vector("a refund"),
            vendor.vector("car park"),
        ]
        assert vendor.requests[0].body["model"] == "a-model"


@pytest.mark.parametrize(
    "faults",
    [
        Faults(status=401),
        Faults(status=429, retry_after_s=1),
        Faults(status=500),
        Faults(answer=("text/html", b"<html>")),
        Faults(answer=("application/json", b'{"data": []}')),
        Faults(answer=("application/json", b'{"data": [{"index": 0, "embedding": [0, 0]}]}')),
        Faults(answer=("application/json", b'{"data": [{"index": 0, "embedding": ["x"]}]}')),
        Faults(answer=("application/json", b'{"data": [{"index": 0, "embedding": [NaN]}]}')),
        Faults(answer=("application/json", b"[]")),
    ],
    ids=["key refused", "rate limit", "broken", "html", "no vector", "zero", "text", "no number", "another document"],
)
async def test_whatever_is_no_vector_is_unavailable(faults: Faults) -> None:
    async with EmbeddingsStandIn(faults=faults) as vendor, asking(vendor) as embedder:
        with pytest.raises(Unavailable):
            await embedder.embed(["a refund"])
        assert len(vendor.requests) == 1


async def test_a_question_waits_only_so_long() -> None:
    async with EmbeddingsStandIn(faults=Faults(delay_s=60)) as vendor, asking(vendor) as embedder:
        with pytest.raises(Unavailable):
            await embedder.embed(["a refund"], timeout_s=0.1)
