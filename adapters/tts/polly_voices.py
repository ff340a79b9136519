"""What Polly tells about its voices: which engines make one, and which languages it speaks.

One free request for each process and region (https://docs.aws.amazon.com/polly/latest/dg/API_DescribeVoices.html).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.aws import AwsClient
from adapters.requests import Credentials

_ENGINES = ("neural", "standard", "generative", "long-form")
"""Best first for a call: neural begins as soon as standard; the others begin later and cost twice to six times as much
(https://aws.amazon.com/polly/pricing)."""


@dataclass(frozen=True, slots=True)
class VoiceFacts:
    """What is known about a voice.

    Attributes:
        engines: The engines that make it; empty when nothing is known.
        languages: Polly's codes of the languages that it speaks, its own first.
    """

    engines: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        """The engine to ask for, '' to leave it to Polly, which then takes ``standard``."""
        return next((engine for engine in _ENGINES if engine in self.engines), "")

    def language_for(self, wanted: str) -> str:
        """Return the code to ask a bilingual voice for; '' to leave it to the voice.

        Args:
            wanted: Polly's code of the call's language, '' when there is none.
        """
        if len(self.languages) < 2 or not wanted:
            return ""
        base = wanted.partition("-")[0]
        alike = [code for code in self.languages if code.partition("-")[0] == base]
        return wanted if wanted in alike else next(iter(alike), "")


class PollyVoices:
    """The voices of one region, asked for when first needed.

    Args:
        client: The shared client.
    """

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._asking = asyncio.Lock()
        self._facts: dict[str, VoiceFacts] | None = None

    async def facts(self, credentials: Credentials, voice: str) -> VoiceFacts:
        """Return what is known about a voice; of one that does not exist, nothing.

        Raises:
            ClientError: The vendor refused.
            BotoCoreError: The vendor cannot be reached.
        """
        async with self._asking:
            if self._facts is None:
                self._facts = {it["Id"]: _facts_of(it) async for it in list_voices(self._client, credentials)}
        return self._facts.get(voice, VoiceFacts())

    async def aclose(self) -> None:
        """Forget everything."""
        self._facts = None


async def list_voices(client: AwsClient, credentials: Credentials) -> AsyncIterator[Mapping[str, Any]]:
    """Ask for every voice.

    Args:
        client: Polly's client.
        credentials: What to sign the request with.

    Yields:
        The ``Voice`` objects of the API.

    Raises:
        ClientError: The vendor refused.
        BotoCoreError: The vendor cannot be reached.
    """
    token: dict[str, str] = {}
    while True:
        answer = await client.ask(credentials, "describe_voices", token, retries=0)
        for voice in answer["Voices"]:
            yield voice
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def _facts_of(voice: Mapping[str, Any]) -> VoiceFacts:
    languages = (voice["LanguageCode"], *voice.get("AdditionalLanguageCodes", ()))
    return VoiceFacts(tuple(voice.get("SupportedEngines", ())), languages)
