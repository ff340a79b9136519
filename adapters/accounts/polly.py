"""Amazon Polly accounts (https://docs.aws.amazon.com/polly/latest/dg/API_DescribeVoices.html)."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from pipecat.utils.errors import ErrorCategory

from adapters.accounts.offer import Offer
from adapters.aws import AwsClient, aws_client
from adapters.clients import SharedClients
from adapters.requests import Credentials
from adapters.tts.polly_voices import list_voices as polly_voices
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
        await _client(credentials, options, clients).ask(credentials, "describe_voices", retries=0)
    except ClientError as error:
        # A key that is restricted to speech is good, though it may not list the voices: its signature was accepted.
        if classify(error) is not ErrorCategory.AUTHORIZATION:
            raise


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List the voices of the region, of the engine alone where the option names one.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: As `check`.
    """
    engine = options.get("engine", "")
    return [
        Offer(
            it["Id"],
            it.get("Name", ""),
            (it["LanguageCode"], *it.get("AdditionalLanguageCodes", ())),
            it.get("Gender", "").lower(),
        )
        async for it in polly_voices(_client(credentials, options, clients), credentials)
        if not engine or engine in it.get("SupportedEngines", ())
    ]


def _client(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> AwsClient:
    return aws_client("polly", credentials, options, clients, clients.limits.voice_quiet_s)
