"""Embeddings from any endpoint that speaks OpenAI's protocol (https://platform.openai.com/docs/api-reference/embeddings)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import openai
from pydantic import SecretStr

from models.errors import Unavailable

BATCH = 64
"""Texts in one request."""


class Embedder:
    """Asks one endpoint for the vectors of texts.

    Args:
        base_url: The endpoint, ``https://HOST/v1``.
        key: Its key; '' for one that wants none.
        model: The model's name; vectors of one model fit those of no other.
        timeout_s: Longest that one request may take, seconds.
    """

    def __init__(self, base_url: str, key: SecretStr, model: str, *, timeout_s: float = 10.0) -> None:
        self.model = model
        # Repeated here: whoever waits for a search goes without, and what is embedded in the background tries again.
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=key.get_secret_value() or "none", timeout=timeout_s, max_retries=0
        )

    async def embed(self, texts: Sequence[str], *, timeout_s: float | None = None) -> list[list[float]]:
        """Return one vector for each text, all of one length, finite, none of them 0.

        Args:
            texts: At most `BATCH`.
            timeout_s: Longest that it may take, seconds; None for the usual time.

        Raises:
            Unavailable: The endpoint refuses, does not answer in time, or answers with something else.
        """
        client = self._client if timeout_s is None else self._client.with_options(timeout=timeout_s)
        try:
            answer = await client.embeddings.create(input=list(texts), model=self.model, encoding_format="float")
            ordered = sorted(answer.data, key=lambda item: item.index)
            vectors = [[float(number) for number in item.embedding] for item in ordered]
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            raise Unavailable("the endpoint for embeddings does not answer") from error
        usable = all(any(vector) and all(map(math.isfinite, vector)) for vector in vectors)
        if not usable or len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise Unavailable("the endpoint for embeddings does not answer with a vector for each text")
        return vectors

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()
