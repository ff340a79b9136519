"""Amazon Bedrock accounts (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from pipecat.utils.errors import ErrorCategory

from adapters.accounts.offer import Offer
from adapters.aws import AwsClient, aws_client
from adapters.clients import SharedClients
from adapters.requests import Credentials
from adapters.vendor_errors import classify


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of the SDK's own kinds.
    """
    try:
        await _foundation_models(_client(credentials, options, clients), credentials)
    except ClientError as error:
        # A key that is restricted to inference is good, though it may not list the models: its signature was accepted.
        if classify(error) is not ErrorCategory.AUTHORIZATION:
            raise


async def list_models(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the models that can stream text, and the inference profiles, by which the newer ones must be named.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: As `check`.
    """
    client = _client(credentials, options, clients)
    models = [
        Offer(it["modelId"], it.get("modelName", ""))
        for it in await _foundation_models(client, credentials)
        if it.get("responseStreamingSupported") and "ON_DEMAND" in it.get("inferenceTypesSupported", ())
    ]
    profiles = [
        Offer(it["inferenceProfileId"], it["inferenceProfileName"]) async for it in _profiles(client, credentials)
    ]
    return models + profiles


def _client(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> AwsClient:
    # Models are listed by another host than the one that runs them; an operator's own endpoint serves both.
    control = replace(credentials, base_url=credentials.base_url.replace("://bedrock-runtime", "://bedrock", 1))
    return aws_client("bedrock", control, options, clients, clients.limits.quiet_s)


async def _foundation_models(client: AwsClient, credentials: Credentials) -> list[dict[str, Any]]:
    answer = await client.ask(credentials, "list_foundation_models", {"byOutputModality": "TEXT"}, retries=0)
    models: list[dict[str, Any]] = answer.get("modelSummaries", [])
    return models


async def _profiles(client: AwsClient, credentials: Credentials) -> AsyncIterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        answer = await client.ask(credentials, "list_inference_profiles", token, retries=0)
        for profile in answer.get("inferenceProfileSummaries", []):
            yield profile
        if not answer.get("nextToken"):
            return
        token = {"nextToken": answer["nextToken"]}
