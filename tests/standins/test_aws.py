"""The Amazon stand-in under Amazon's own SDK, under Pipecat's services, and under every fault."""

import json
from contextlib import asynccontextmanager, closing

import aiobotocore.session
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError
from pipecat.frames.frames import (
    ErrorFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.aws.llm import AWSBedrockLLMService
from pipecat.services.aws.tts import AWSPollyTTSService

from tests.standins.audio import signature
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.pipeline import piped
from tests.standins.replies import Reply

MODEL = "us.amazon.nova-lite-v1:0"
USER = [{"role": "user", "content": [{"text": "What time is it?"}]}]
SPEC = {"name": "stop_service", "description": "Ends the call.", "inputSchema": {"json": {"type": "object"}}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
SPEECH = {"OutputFormat": "pcm", "SampleRate": "8000", "VoiceId": "Joanna", "Text": "Good morning."}


@asynccontextmanager
async def client(stand_in, service, secret=DEFAULT_KEY, region="us-east-1"):
    config = AioConfig(retries={"total_max_attempts": 1}, read_timeout=1)
    async with aiobotocore.session.get_session().create_client(
        service,
        region_name=region,
        endpoint_url=stand_in.base_url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=config,
    ) as api:
        yield api


async def events_of(api, messages=USER, **more):
    answer = await api.converse_stream(modelId=MODEL, messages=messages, **more)
    with closing(answer["stream"]) as stream:
        return [event async for event in stream]


def code_of(refused):
    return refused.value.response["Error"]["Code"]


async def test_sdk_streams_the_default_echo():
    async with AwsStandIn() as s, client(s, "bedrock-runtime") as api:
        events = await events_of(api)
        kinds = list(dict.fromkeys(next(iter(event)) for event in events))
        assert kinds == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
        texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
        assert "".join(texts) == "You said: What time is it."
        assert events[-2]["messageStop"]["stopReason"] == "end_turn"
        assert events[-1]["metadata"]["usage"] == {"inputTokens": 4, "outputTokens": 6, "totalTokens": 10}


async def test_sdk_assembles_tool_calls_and_answers_their_results():
    script = [Reply("One moment.", tool_calls=[("stop_service", {"reason": "the caller said goodbye"})])]
    async with AwsStandIn(reply=script) as s, client(s, "bedrock-runtime") as api:
        events = await events_of(api, toolConfig=TOOLS)
        (start,) = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
        assert start["contentBlockIndex"] == 1
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        pieces = [delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta]
        assert len(pieces) > 1
        assert json.loads("".join(pieces)) == {"reason": "the caller said goodbye"}
        assert events[-2]["messageStop"]["stopReason"] == "tool_use"
        use = start["start"]["toolUse"]
        asked = [*USER, {"role": "assistant", "content": [{"toolUse": use | {"input": {}}}]}]
        result = {"toolUseId": use["toolUseId"], "content": [{"text": "done"}]}
        answered = [*asked, {"role": "user", "content": [{"toolResult": result}]}]
        with pytest.raises(ClientError, match="toolConfig field must be defined"):
            await events_of(api, answered)
        with pytest.raises(ClientError, match="Expected toolResult blocks"):
            await events_of(api, [*asked, *USER], toolConfig=TOOLS)
        events = await events_of(api, answered, toolConfig=TOOLS)
        texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
        assert "".join(texts) == "The tool answered done."


BOT = {"role": "assistant", "content": [{"text": "Good day."}]}


@pytest.mark.parametrize(
    ("messages", "more", "words"),
    [
        ([], {}, "must start with a user message"),
        ([BOT, *USER], {}, "must start with a user message"),
        ([*USER, *USER], {}, "must alternate"),
        ([*USER, BOT], {}, "must end with a user message"),
        ([{"role": "user", "content": []}], {}, "is empty"),
        ([{"role": "user", "content": [{"text": " "}]}], {}, "is blank"),
        (USER, {"toolConfig": {"tools": [{"toolSpec": SPEC | {"name": "a b"}}]}}, "toolSpec"),
        (USER, {"toolConfig": {"tools": [{"toolSpec": SPEC | {"inputSchema": {"json": {}}}}]}}, "one of: object"),
        (USER, {"inferenceConfig": {"temperature": 1.5}}, "temperature"),
    ],
)
async def test_what_bedrock_would_refuse(messages, more, words):
    async with AwsStandIn() as s, client(s, "bedrock-runtime") as api:
        with pytest.raises(ClientError, match=words) as refused:
            await events_of(api, messages, **more)
        assert code_of(refused) == "ValidationException"


async def test_models_and_profiles_are_listed_and_others_do_not_exist():
    async with AwsStandIn(any_model=False, page=1) as s, client(s, "bedrock") as api:
        listed = await api.list_foundation_models(byOutputModality="TEXT")
        assert [model["modelId"] for model in listed["modelSummaries"]] == list(s.models)
        pages = api.get_paginator("list_inference_profiles").paginate()
        profiles = [profile async for page in pages for profile in page["inferenceProfileSummaries"]]
        assert [profile["inferenceProfileId"] for profile in profiles] == [f"us.{name}" for name in s.models]
        async with client(s, "bedrock-runtime") as runtime:
            with pytest.raises(ClientError, match="model identifier is invalid"):
                await events_of(runtime)
        with pytest.raises(ClientError, match="next token"):
            await api.list_inference_profiles(nextToken="nonsense")


async def test_sdk_is_spoken_to():
    async with AwsStandIn() as s, client(s, "polly") as api:
        answer = await api.synthesize_speech(**SPEECH)
        assert (answer["ContentType"], answer["RequestCharacters"]) == ("audio/pcm", 13)
        assert await answer["AudioStream"].read() == signature("Good morning.", 8000)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"VoiceId": "Nobody"}, "ValidationException"),
        ({"Engine": "long-form"}, "EngineNotSupportedException"),
        ({"VoiceId": "Patrick"}, "EngineNotSupportedException"),
        ({"SampleRate": "24000"}, "InvalidSampleRateException"),
        ({"LanguageCode": "de-DE"}, "LanguageNotSupportedException"),
        ({"OutputFormat": "wav"}, "ValidationException"),
        ({"TextType": "html"}, "ValidationException"),
        ({"TextType": "ssml"}, "InvalidSsmlException"),
        ({"TextType": "ssml", "Text": "<p>Hi.</p>"}, "InvalidSsmlException"),
        ({"Text": "x" * 3001}, "TextLengthExceededException"),
    ],
)
async def test_what_polly_would_refuse(change, code):
    async with AwsStandIn() as s, client(s, "polly") as api:
        with pytest.raises(ClientError) as refused:
            await api.synthesize_speech(**SPEECH | change)
        assert code_of(refused) == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


async def test_voices_are_listed_by_pages_and_engines():
    async with AwsStandIn(page=2) as s, client(s, "polly") as api:
        pages = api.get_paginator("describe_voices").paginate()
        assert [voice["Id"] async for page in pages for voice in page["Voices"]] == [voice.id for voice in s.voices]
        chosen = await api.describe_voices(Engine="long-form")
        assert [voice["Id"] for voice in chosen["Voices"]] == ["Patrick"]


@pytest.mark.parametrize(("secret", "region"), [("wrong", "us-east-1"), (DEFAULT_KEY, "eu-west-1")])
async def test_a_wrong_signature_is_refused(secret, region):
    async with AwsStandIn() as s, client(s, "polly", secret, region) as api:
        with pytest.raises(ClientError) as refused:
            await api.describe_voices()
        assert code_of(refused) == "InvalidSignatureException"
    async with AwsStandIn(keys=None) as s, client(s, "polly", "any") as api:
        assert (await api.describe_voices())["Voices"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "UnrecognizedClientException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_status_faults(status, code):
    faults = Faults(status=status, retry_after_s=7)
    async with AwsStandIn(faults=faults) as s, client(s, "bedrock-runtime") as api:
        with pytest.raises(ClientError) as refused:
            await events_of(api)
        assert code_of(refused) == code
        metadata = refused.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == (403 if status == 401 else status)
        assert metadata["HTTPHeaders"]["retry-after"] == "7"


async def test_an_exception_ends_a_stream():
    async with AwsStandIn(reply=lambda _r: "one two") as s, client(s, "bedrock-runtime") as api:
        s.stream_exception = "throttlingException"
        with pytest.raises(ClientError, match="The stream ends here") as refused:
            await events_of(api)
        assert code_of(refused) == "throttlingException"


async def test_drop_stall_and_garbage():
    async with AwsStandIn(reply=lambda _r: "one two three four five") as s, client(s, "bedrock-runtime") as api:
        s.faults.garbage_after = 3
        with pytest.raises(Exception, match="Checksum mismatch"):
            await events_of(api)
        s.faults = Faults(stall_after=3)
        with pytest.raises(TimeoutError):
            await events_of(api)
        s.faults = Faults(drop_after=3)
        with pytest.raises(Exception, match=r"reset|payload"):
            await events_of(api)
    async with AwsStandIn() as s, client(s, "polly") as api:
        s.faults = Faults(drop_after=3)
        answer = await api.synthesize_speech(**SPEECH)
        async with answer["AudioStream"] as body:
            with pytest.raises(Exception, match=r"reset|payload"):
                await body.read()


@pytest.fixture
def endpoint(monkeypatch):
    """Points Pipecat's services, which take no endpoint, at a stand-in."""
    return lambda s: monkeypatch.setenv("AWS_ENDPOINT_URL", s.base_url)


async def test_pipecat_speaks_with_bedrock(endpoint):
    async with AwsStandIn(reply=["It is nine."]) as s:
        endpoint(s)
        settings = AWSBedrockLLMService.Settings(model=MODEL)
        service = AWSBedrockLLMService(aws_access_key=ACCESS_KEY, aws_secret_key=DEFAULT_KEY, settings=settings)
        async with piped(service) as pipe:
            await pipe.send(LLMContextFrame(LLMContext(messages=[{"role": "user", "content": "The time?"}])))
            await pipe.down.wait(LLMFullResponseEndFrame)
            assert not pipe.up.of(ErrorFrame)
            assert "".join(frame.text for frame in pipe.down.of(LLMTextFrame)) == "It is nine."


async def test_pipecat_speaks_with_polly(endpoint):
    async with AwsStandIn() as s:
        endpoint(s)
        service = AWSPollyTTSService(aws_access_key_id=ACCESS_KEY, api_key=DEFAULT_KEY)
        async with piped(service) as pipe:
            await pipe.send(TTSSpeakFrame("Good morning."))
            await pipe.down.wait(TTSStoppedFrame)
            assert not pipe.up.of(ErrorFrame)
            assert pipe.down.of(TTSAudioRawFrame)
            (request,) = s.requests_to("speech")
            assert request.body["TextType"] == "ssml"
