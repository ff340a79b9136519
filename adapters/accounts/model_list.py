"""``GET {base_url}/models`` of the vendors that speak OpenAI's protocols."""

from __future__ import annotations

from typing import Any

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.llm.dialects import COMPATIBLE, OpenAiDialect
from adapters.llm.openai_client import make_client, request_headers
from adapters.requests import Credentials

_NO_LANGUAGE_MODELS = {"audio", "embedding", "image", "moderation", "rerank", "transcribe", "video"}


async def models_of(
    credentials: Credentials, clients: SharedClients, dialect: OpenAiDialect = COMPATIBLE
) -> list[Offer]:
    """Ask a vendor for its models. Together AI answers a bare list, and says what each model is for.

    Args:
        credentials: Key and endpoint.
        clients: The process's shared clients.
        dialect: The vendor's.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of the SDK's own kinds.
        ValueError: The answer is no list of models.
    """
    headers = request_headers(credentials, dialect)
    answer: Any = await make_client(credentials, clients, dialect).get(
        "/models", cast_to=object, options={"headers": headers}
    )
    models = answer.get("data") if isinstance(answer, dict) else answer
    if not isinstance(models, list):
        raise ValueError("the answer is no list of models")
    return [
        Offer(str(model["id"]), str(model.get("display_name") or model.get("name") or ""))
        for model in models
        if isinstance(model, dict) and "id" in model and model.get("type") not in _NO_LANGUAGE_MODELS
    ]
