import openai
import pytest

from tests.standins.base import DEFAULT_KEY
from tests.standins.embeddings import EmbeddingsStandIn


async def test_the_openai_package_understands_it() -> None:
    async with (
        EmbeddingsStandIn() as vendor,
        openai.AsyncOpenAI(base_url=vendor.base_url, api_key=DEFAULT_KEY, max_retries=0) as client,
    ):
        answer = await client.embeddings.create(input=["a refund", "Money back!"], model="m", encoding_format="float")
        assert [item.index for item in answer.data] == [0, 1]
        assert answer.data[0].embedding == answer.data[1].embedding == [0.1, 1, 0, 0]
        with pytest.raises(openai.BadRequestError):
            await client.embeddings.create(input=[""], model="m", encoding_format="float")


async def test_another_key_is_refused() -> None:
    async with (
        EmbeddingsStandIn() as vendor,
        openai.AsyncOpenAI(base_url=vendor.base_url, api_key="another", max_retries=0) as client,
    ):
        with pytest.raises(openai.AuthenticationError):
            await client.embeddings.create(input=["a"], model="m", encoding_format="float")
