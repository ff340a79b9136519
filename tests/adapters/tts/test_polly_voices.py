import asyncio

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from adapters.aws import aws_client
from adapters.requests import Credentials
from adapters.tts.polly_voices import PollyVoices, VoiceFacts, list_voices
from tests.adapters.vendors import KEY, impatient_clients
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.aws_polly import VOICES
from tests.standins.faults import Faults


@pytest.mark.parametrize(
    ("engines", "engine"),
    [
        (("generative", "neural", "standard"), "neural"),
        (("standard", "generative"), "standard"),
        (("long-form", "generative"), "generative"),
        (("long-form",), "long-form"),
        (("of the future",), ""),
        ((), ""),
    ],
)
def test_the_engine_is_the_best_for_a_call(engines: tuple[str, ...], engine: str) -> None:
    assert VoiceFacts(engines).engine == engine


@pytest.mark.parametrize(
    ("languages", "wanted", "code"),
    [
        (("en-IN", "hi-IN"), "hi-IN", "hi-IN"),
        (("en-IN", "hi-IN"), "en-IN", "en-IN"),
        (("en-IN", "hi-IN"), "en-US", "en-IN"),
        (("en-IN", "hi-IN"), "de-DE", ""),
        (("en-IN", "hi-IN"), "", ""),
        (("en-US",), "en-GB", ""),
        ((), "en-GB", ""),
    ],
)
def test_only_a_bilingual_voice_is_told_a_language(languages: tuple[str, ...], wanted: str, code: str) -> None:
    assert VoiceFacts((), languages).language_for(wanted) == code


async def test_every_page_is_read_and_only_once() -> None:
    async with AwsStandIn(page=3) as vendor, impatient_clients() as clients:
        one = Credentials(KEY, vendor.base_url, ACCESS_KEY)
        voices = PollyVoices(aws_client("polly", one, {}, clients, 1.0))
        both = await asyncio.gather(voices.facts(one, "Mizuki"), voices.facts(one, "Kajal"))
        assert both == [VoiceFacts(("standard",), ("ja-JP",)), VoiceFacts(("generative", "neural"), ("en-IN", "hi-IN"))]
        assert await voices.facts(one, "Nobody") == VoiceFacts()
        assert [request.query.get("NextToken") for request in vendor.requests] == [None, "3", "6"]
        await voices.aclose()
        await voices.facts(one, "Mizuki")
        assert len(vendor.requests) == 6


async def test_a_failure_is_not_kept() -> None:
    async with AwsStandIn(faults=Faults(status=500)) as vendor, impatient_clients() as clients:
        one = Credentials(KEY, vendor.base_url, ACCESS_KEY)
        voices = PollyVoices(aws_client("polly", one, {}, clients, 1.0))
        with pytest.raises(ClientError):
            await voices.facts(one, "Joanna")
        vendor.faults = Faults()
        assert (await voices.facts(one, "Joanna")).engine == "neural"


async def test_lists_the_voices_as_the_vendor_tells_of_them() -> None:
    async with AwsStandIn() as vendor, impatient_clients() as clients:
        one = Credentials(SecretStr(KEY.get_secret_value()), vendor.base_url, ACCESS_KEY)
        told = [voice["Id"] async for voice in list_voices(aws_client("polly", one, {}, clients, 1.0), one)]
        assert told == [voice.id for voice in VOICES]
